"""Keeps the series of zones that the settings name in step with the days, percentiles and root zones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from downscaler.errors import VadoseError
from flows.day.jobs import DayOutcome, days_between
from flows.day.make import outcome_of

if TYPE_CHECKING:
    from downscaler.ground.grid import Domain
    from downscaler.sources.zones import Layer
    from flows.settings import Settings


def layer_named(name: str) -> Layer:
    """The polygons of a file, or the states or counties that the extra `places` brings.

    Raises ZoneError for a file that cannot be read, MissingExtraError without the extra.
    """
    from downscaler.sources.us_places import KINDS, us_layer
    from downscaler.sources.zones import read_layer

    bundled = next((kind for kind in KINDS if kind == name and not Path(name).exists()), None)
    return us_layer(bundled) if bundled is not None else read_layer(Path(name))


def series_in_step(settings: Settings, start: dt.date, end: dt.date) -> list[DayOutcome]:
    """Bring the series of the setting `zones` into step with a period's published items; what was made is told.

    Read again are only days that are new, changed or withdrawn. A layer that fails is told and stops no other.
    """
    made: list[DayOutcome] = []
    for name in settings.zones or ():
        try:
            layer = layer_named(name)
            for source in _sources(settings):
                made += _in_step(settings, layer, source, days_between(start, end))
        except VadoseError as error:
            made.append(outcome_of(error, start))
    return made


def _in_step(settings: Settings, layer: Layer, source: Domain, dates: list[dt.date]) -> Iterator[DayOutcome]:
    from flows.derived.zones import make_zones, series_name

    done = make_zones(settings.catalog, source, layer, settings.zones_folder, dates)
    named = series_name(layer.name, source)
    for date in done.made:
        yield DayOutcome(date=date, status="published", reason=f"series of {done.zones} zones, {named}")
    for date in done.removed:
        yield DayOutcome(date=date, status="published", reason=f"taken out of the series of zones, {named}")


def _sources(settings: Settings) -> list[Domain]:
    """What is averaged: the analyses or else the SMAP-conserving days, and of `derived` what zones know."""
    from catalog.reading.stack import source_of
    from downscaler import product
    from flows.derived.zones import OTHERS

    ground = product.domain(settings.domain)
    kinds = {"percentile": product.PERCENTILE, "rootzone": product.ROOT_ZONE}
    others = [product.under(kinds[name], ground) for name in OTHERS if name in (settings.derived or ())]
    return [source_of(settings.catalog, ground), *others]
