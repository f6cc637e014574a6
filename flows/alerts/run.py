"""What the rules tell of the published days: values, crossings, alerts made anew where a day changed, and delivery."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from downscaler.errors import AlertError

if TYPE_CHECKING:
    from catalog.store.base import Store
    from downscaler.ground.grid import Domain
    from flows.alerts.rules import Rule
    from flows.settings import Settings

HORIZON = 366
"""Days up to the newest that are looked at again; alerts of earlier days stand."""
Send = Callable[[str, Mapping[str, Any], str], None]
"""Tells an address of an alert, under a key that is the same each time; raises OSError or httpx's errors."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What became of a rule: alerts that are new, changed or taken back, days that were read, and published ones."""

    rule: str
    events: tuple[Mapping[str, Any], ...]
    read: int
    days: int


def run_alerts(settings: Settings, rules: Sequence[Rule], *, send: Send | None = None) -> list[Told]:
    """Bring the alerts of all rules into step with the published days, then tell those who asked.

    Only days that are new or changed are read. An alert is written before anyone is told of it, and told of once: a
    run that was stopped in between tells again under the same key. Withdrawn and superseded days take their alerts
    back.

    Raises:
        CatalogError: the catalogue or a ledger cannot be read or written.
        DomainError: a place lies outside the domain.
        AlertError: an address could not be told; the others were, and the next run tries again.
    """
    from catalog.publish.alerts import read_ledger, write_alerts
    from catalog.store.base import open_store

    store = open_store(settings.catalog)
    base = (settings.catalog_url or store.uri).rstrip("/") + "/"
    ledgers, told = {}, []
    for rule in rules:
        ledger = read_ledger(store, rule.name)
        new, changed, read = step(store, settings, rule, ledger, base)
        told.append(Told(rule=rule.name, events=changed, read=read, days=len(new["seen"])))
        if new != ledger:
            ledgers[rule.name] = new
    if ledgers:
        write_alerts(store, ledgers, base)
    _deliver(store, rules, base, send or _post)
    return told


def step(
    store: Store, settings: Settings, rule: Rule, ledger: Mapping[str, Any], base: str
) -> tuple[dict[str, Any], tuple[Mapping[str, Any], ...], int]:
    """A rule's ledger brought up to date, the alerts that changed in it, and how many days were read."""
    from downscaler.derived.alerts import crossings

    same = ledger.get("rule") == rule.digest
    seen, read = _seen(store, settings, rule, ledger.get("seen", {}) if same else {})
    dates = sorted(seen)
    edge = (dt.date.fromisoformat(dates[-1]) - dt.timedelta(days=HORIZON)).isoformat() if dates else ""
    before, old = bool(same and ledger.get("before", False)), [date for date in dates if date < edge]
    _, before = crossings(_days(old), _values(seen, old), rule.threshold, before=before)
    kept = dates[len(old) :]
    found, _ = crossings(_days(kept), _values(seen, kept), rule.threshold, before=before)
    events = dict(ledger.get("events", {}))
    wanted = {}
    for crossing in found:
        event = _event(rule, crossing.date, seen[str(crossing.date)], base, began=crossing.began)
        wanted[event["id"]] = event
    changed = _reconcile(events, wanted, edge)
    new = {
        "name": rule.name,
        "rule": rule.digest,
        "before": before,
        "seen": {date: seen[date] for date in kept},
        "events": events,
    }
    return new, changed, read


def _seen(
    store: Store, settings: Settings, rule: Rule, before: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Any]], int]:
    """Value and interval of every published day within the horizon, and how many were read for it."""
    from catalog.naming import collection_key
    from catalog.reading.places import place_of, values_at
    from catalog.reading.stack import span_of, stacked_days

    domain = _domain(settings, rule)
    if store.get(collection_key(domain.name)) is None:
        return {}, 0  # nothing of that kind is published yet
    first, last = span_of(store.uri, domain)
    start = max(first, last - dt.timedelta(days=HORIZON))
    dates = [start + dt.timedelta(days=number) for number in range((last - start).days + 1)]
    names = (rule.variable.name, *rule.bounds)
    old = {date: told for date, told in before.items() if date < start.isoformat()}
    found, read, place = dict(old), 0, None
    for day in stacked_days(store.uri, domain, dates, names):
        told = before.get(str(day.date))
        if told is None or told["sha256"] != day.record.sha256:
            place = place or place_of(domain, rule.where)
            values = [_number(value) for value in values_at(store, day.keys, names, place).values()]
            told, read = {"sha256": day.record.sha256, "item": day.record.name, "values": values}, read + 1
        found[str(day.date)] = told
    return found, read


def _domain(settings: Settings, rule: Rule) -> Domain:
    from downscaler import product
    from flows.alerts.rules import KINDS

    return product.under(KINDS[rule.of], product.domain(settings.domain))


def _event(rule: Rule, date: dt.date, told: Mapping[str, Any], base: str, *, began: bool) -> dict[str, Any]:
    """An alert without its times: the same for the same rule, day and item."""
    from catalog.naming import DayName, domain_name
    from catalog.publish.alerts import urn

    value, *interval = told["values"]
    item = told["item"]
    collection = item.rsplit("_", 1)[0]
    key = DayName(domain_name=domain_name(collection), date=date).item_key
    what, units = rule.variable.title, "" if rule.variable.units == "1" else f" {rule.variable.units}"
    state = f"is {rule.threshold}" if began else f"is no longer {rule.threshold}"
    bounds = f" (90 % interval {interval[0]:g} to {interval[1]:g})" if interval and None not in interval else ""
    return {
        "id": urn(f"{rule.name} {rule.digest} {date} {'began' if began else 'ended'}"),
        "rule": rule.name,
        "date": str(date),
        "began": began,
        "standing": True,
        "title": f"{rule.called}: {what} {state}{units}, {date}",
        "summary": f"{what} of {date} at {rule.called}: {value:g}{units}{bounds}; the threshold is "
        f"{rule.threshold}{units}.",
        "variable": rule.variable.name,
        "units": rule.variable.units,
        "value": value,
        "interval": interval,
        "link": f"{base}{key}",
    }


def _reconcile(
    events: dict[str, Any], wanted: Mapping[str, dict[str, Any]], edge: str
) -> tuple[Mapping[str, Any], ...]:
    """Put into ``events`` what is new or tells otherwise, and mark what no longer stands; gives these."""
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    own = ("published", "updated", "revision", "told")
    changed = []
    for key in sorted({*events, *wanted}):
        old, new = events.get(key), wanted.get(key)
        if new is None:  # it was told, and the days as they are now tell otherwise
            if events[key]["date"] < edge or not events[key]["standing"]:
                continue
            new = events[key] | {"standing": False, "title": f"Taken back: {events[key]['title']}"}
        if old is not None and _essence(old, own) == _essence(new, own):
            continue
        times = {"published": old["published"] if old else now, "updated": now, "told": False}
        events[key] = new | times | {"revision": old["revision"] + 1 if old else 1}
        changed.append(events[key])
    return tuple(sorted(changed, key=lambda event: event["date"]))


def _essence(event: Mapping[str, Any], own: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in own}


def _deliver(store: Store, rules: Sequence[Rule], base: str, send: Send) -> None:
    """Tell the addresses of what they were not told yet; what could not be told is tried again next time."""
    from catalog.publish.alerts import read_ledger, write_alerts

    failed: list[str] = []
    for rule in rules:
        ledger = read_ledger(store, rule.name)
        waiting = [event for event in ledger.get("events", {}).values() if not event["told"]]
        done = 0
        for event in sorted(waiting, key=lambda one: one["date"]):
            if rule.webhook is not None:
                try:
                    send(rule.webhook, {k: v for k, v in event.items() if k != "told"}, _once(event))
                except Exception as error:  # noqa: BLE001  (whatever a client raises: told at the end, tried again)
                    failed.append(f"{rule.name}: {_refusal(rule.webhook, error)}")
                    break
            event["told"], done = True, done + 1
        if done:
            write_alerts(store, {rule.name: ledger}, base)
    if failed:
        raise AlertError(
            "An address could not be told of an alert", value="; ".join(failed), remedy="The next run tries again."
        )


def _refusal(address: str, error: Exception) -> str:
    """What went wrong at which host; the rest of an address is often a secret, and errors of clients quote it."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"{urlsplit(address).hostname} {type(error).__name__}{'' if status is None else f' {status}'}"


def _once(event: Mapping[str, Any]) -> str:
    return f"{event['id']}.{event['revision']}"


def _post(address: str, event: Mapping[str, Any], key: str) -> None:
    """Send an alert as JSON; the receiver knows by the key whether it has had it. Raises httpx.HTTPError."""
    import httpx

    answer = httpx.post(address, json=dict(event), headers={"Idempotency-Key": key}, timeout=10.0)
    answer.raise_for_status()


def alerts_after(settings: Settings) -> list[Told]:
    """The alerts of the settings, after days were made; none where no rules are set."""
    from flows.alerts.rules import read_rules

    return [] if settings.alerts is None else run_alerts(settings, read_rules(Path(settings.alerts)))


def _days(dates: Sequence[str]) -> list[dt.date]:
    return [dt.date.fromisoformat(date) for date in dates]


def _values(seen: Mapping[str, Mapping[str, Any]], dates: Sequence[str]) -> list[float]:
    return [math.nan if seen[date]["values"][0] is None else seen[date]["values"][0] for date in dates]


def _number(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None
