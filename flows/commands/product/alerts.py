"""``vadose alerts``: thresholds on points and zones, as an Atom feed and by webhook."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import console
from flows.commands.options import DomainName, Json, PublishTo


def alerts(
    context: typer.Context,
    rules: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Rules, alerts.toml say; unset, the setting `alerts`.")
    ] = None,
    domain: DomainName = None,
    out: PublishTo = None,
    json: Json = False,
) -> None:
    """Check the published days against the rules of a file; write an Atom feed and call webhooks.

    A rule names a value, a place or zone, and a threshold. Each alert is told of once; a day that is replaced or
    withdrawn changes its alerts or takes them back. The feed is reports/alerts/feed.xml of the catalogue.
    """
    from catalog.naming import ROOT
    from catalog.publish.alerts import FEED
    from catalog.store.base import open_store
    from downscaler.errors import CatalogError, ConfigError
    from flows.alerts.rules import read_rules
    from flows.alerts.run import run_alerts
    from flows.settings import load_settings

    settings = load_settings(context.obj.config, domain=domain, catalog=out, alerts=rules)
    if settings.alerts is None:
        raise ConfigError("Alerts need rules", remedy="Give FILE, or set `alerts` in vadose.toml.")
    if open_store(settings.catalog).facts(ROOT) is None:  # else a name mistyped would watch over nothing, silently
        raise CatalogError(
            "There is no catalogue", value=settings.catalog, remedy="Check --out, or `catalog` in vadose.toml."
        )
    told = run_alerts(settings, read_rules(settings.alerts))
    if json:
        console.say_json([{"rule": one.rule, "read": one.read, "alerts": list(one.events)} for one in told])
        return
    for one in told:
        for event in one.events:
            console.say(event["title"])
        none = "" if one.days else "; no day of its kind and domain is published yet"
        console.say(f"{one.rule}: {len(one.events)} alerts new or changed, {one.read} days read{none}")
    console.say(f"{settings.catalog}/{FEED}")
