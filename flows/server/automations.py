"""Alerts to operators as Prefect automations, declared in code and applied by one command."""

from __future__ import annotations

import datetime as dt
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
            name="vadose: no new item",
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
            name="vadose: days failed",
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
            name="vadose: validation gain below bound",
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
        _silent_runs("run went silent", ALIVE, bounds.silent_run),
        _silent_runs("run never began", TAKEN, bounds.silent_start),
    ]


def _silent_runs(name: str, after: set[str], within: dt.timedelta) -> Automation:
    """A run whose process and worker both died stays as it is for ever, and keeps its place in its queue."""
    return Automation(
        name=f"vadose: {name}",
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


def apply(bounds: Bounds, block: str | None = None) -> list[tuple[str, str]]:
    """Create or update all automations on the server; returns name and action of each.

    ``block`` names a notification block as ``type/name``. Raises ConfigError when the server has none of that name.
    """
    done = []
    with get_client(sync_client=True) as client:
        for wanted in automations(bounds, None if block is None else block_id(client, block)):
            standing = client.read_automations_by_name(wanted.name)
            if standing:
                wanted.id = standing[0].id
                wanted.update()
            else:
                wanted.create()
            done.append((wanted.name, "updated" if standing else "created"))
    return done


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
