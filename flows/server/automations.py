"""Alerts to operators as Prefect automations, declared in code and applied by one command."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, DoNothing, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from downscaler.errors import ConfigError
from flows.server.events import DAY_FAILED, DAY_PUBLISHED, VALIDATED

ALIVE = {"prefect.flow-run.heartbeat", "prefect.flow-run.Running"}  # the second: it may die before its first heartbeat
TAKEN = {"prefect.flow-run.Pending", "prefect.flow-run.Submitting"}  # by a worker
NO_ITEM, DAYS_FAILED, LOW_GAIN = "vadose: no new item", "vadose: days failed", "vadose: validation gain below bound"
WENT_SILENT, NEVER_BEGAN = "vadose: run went silent", "vadose: run never began"
NAMES = (NO_ITEM, DAYS_FAILED, LOW_GAIN, WENT_SILENT, NEVER_BEGAN)
ANY_SIGN = "prefect.flow-run.*"  # heartbeats, and states by their names, which for days are our own


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Thresholds of the alerts: days without a new item, failed days and their period, silence of a run.

    ``silent_start`` is how long a run that a worker has taken may need to begin: a container's image is pulled then.
    """

    silent: dt.timedelta = dt.timedelta(days=4)
    failed_days: int = 3
    failed_within: dt.timedelta = dt.timedelta(days=4)
    silent_run: dt.timedelta = dt.timedelta(minutes=5)
    silent_start: dt.timedelta = dt.timedelta(minutes=15)


def automations(bounds: Bounds, block: Any = None) -> list[Automation]:
    """All automations; ``block`` is the identifier of a notification block; without one nobody is notified."""
    days = bounds.silent / dt.timedelta(days=1)
    return [
        Automation(
            name=NO_ITEM,
            description=f"No new day was published for {days:g} days.",
            trigger=EventTrigger(
                expect={DAY_PUBLISHED},
                match={"vadose.new": "yes"},
                posture=Posture.Proactive,
                threshold=1,
                within=bounds.silent,
            ),
            actions=_told(block, "no new item", f"No new day was published for {days:g} days. See `vadose status`."),
        ),
        Automation(
            name=DAYS_FAILED,
            description=f"{bounds.failed_days} days failed, each for the first time from its inputs.",
            trigger=EventTrigger(
                expect={DAY_FAILED},
                match={"vadose.attempt": "1"},
                posture=Posture.Reactive,
                threshold=bounds.failed_days,
                within=bounds.failed_within,
            ),
            actions=_told(
                block,
                f"{bounds.failed_days} days failed",
                'The last: {{ event.resource["vadose.day"] }}, {{ event.resource["vadose.error"] }}: '
                "{{ event.payload.reason }}",
            ),
        ),
        Automation(
            name=LOW_GAIN,
            description="The paired gain over SMAP in ubRMSD is below the setting validation_gain.",
            trigger=EventTrigger(
                expect={VALIDATED}, match={"vadose.gain": "below"}, posture=Posture.Reactive, threshold=1
            ),
            actions=_told(
                block,
                "validation gain below bound",
                'Gain over SMAP in ubRMSD in {{ event.resource["vadose.domain"] }}: {{ event.payload.ubrmsd_gain }} '
                "m3 m-3, bound {{ event.payload.bound }}, {{ event.payload.pairs }} pairs.",
            ),
        ),
        _silent_runs(WENT_SILENT, ALIVE, bounds.silent_run),
        _silent_runs(NEVER_BEGAN, TAKEN, bounds.silent_start),
    ]


def _silent_runs(name: str, after: set[str], within: dt.timedelta) -> Automation:
    """A run whose process and worker both died stays as it is for ever, and keeps its place in its queue."""
    return Automation(
        name=name,
        description=f"Marks a run without a heartbeat within {within} as crashed, so that its day is submitted again.",
        trigger=EventTrigger(
            after=after,
            expect={ANY_SIGN},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=within,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, name="Crashed", message="No heartbeat: the process has died.", force=False
            )
        ],
    )


def _told(block: Any, subject: str, body: str) -> list[Any]:
    if block is None:
        return [DoNothing()]
    return [SendNotification(block_document_id=block, subject=f"vadose: {subject}", body=body)]


def apply(
    bounds: Bounds | None = None, block: str | None = None, *, told: Collection[str] | None = None
) -> list[tuple[str, str]]:
    """Create or update all automations on the server; returns name and action of each.

    What an operator set stays: a paused automation is not switched on, and thresholds and notifications that are not
    told are those that stand.

    Args:
        bounds: thresholds; those of a new automation are the defaults of ``Bounds``.
        block: notification block as ``type/name``; None for what stands, or nothing for a new automation.
        told: which fields of ``bounds`` are told; None for all where ``bounds`` is given, else none.

    Raises:
        ConfigError: the server has no block of that name.
    """
    fields = (
        told if told is not None else [] if bounds is None else [field.name for field in dataclasses.fields(bounds)]
    )
    done = []
    with get_client(sync_client=True) as client:
        standing = {found.name: found for name in NAMES for found in client.read_automations_by_name(name)[:1]}
        kept = {name: value for name, value in _bounds_of(standing).items() if name not in fields}
        wanted_bounds = dataclasses.replace(bounds or Bounds(), **kept)
        told_block = None if block is None else block_id(client, block)
        for name in NAMES:
            before = standing.get(name)
            target = told_block or _block_of(before)
            wanted = next(one for one in automations(wanted_bounds, target) if one.name == name)
            if before is None:
                wanted.create()
            else:
                wanted.id, wanted.enabled = before.id, before.enabled
                wanted.update()
            done.append((name, "updated" if before else "created"))
    return done


def _bounds_of(standing: Mapping[str, Any]) -> dict[str, Any]:
    """The thresholds that stand on the server, by the fields of ``Bounds``."""
    found: dict[str, Any] = {}
    if NO_ITEM in standing:
        found["silent"] = standing[NO_ITEM].trigger.within
    if DAYS_FAILED in standing:
        trigger = standing[DAYS_FAILED].trigger
        found |= {"failed_days": trigger.threshold, "failed_within": trigger.within}
    return found


def _block_of(standing: Any) -> Any:
    """The notification block that an automation on the server uses; None without."""
    actions = standing.actions if standing is not None else []
    return next((action.block_document_id for action in actions if isinstance(action, SendNotification)), None)


def block_id(client: SyncPrefectClient, block: str) -> Any:
    """The identifier of the block ``type/name``, such as slack-webhook/operators."""
    kind, _, name = block.partition("/")
    try:
        return client.read_block_document_by_name(name=name, block_type_slug=kind).id
    except ObjectNotFound:
        raise ConfigError(
            "Prefect has no notification block of this name",
            value=block,
            allowed="TYPE/NAME as `prefect block ls` lists them, such as slack-webhook/operators",
            remedy="Create one on the server's page of blocks.",
        ) from None
