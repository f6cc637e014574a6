"""What a day is made from and where it is put: settings, prior, model, weather, granules, stations, catalogue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from flows.doctor.findings import Answer, Finding, examine, in_turn, passed, skipped, warned
from flows.settings import Settings

if TYPE_CHECKING:
    from downscaler.sources.insitu.series import Read
    from flows.day.jobs import DayJob

_ENOUGH = 20  # files without a sensor of the domain after which a source counts as unread


def inputs(settings: Settings) -> Iterator[Finding]:
    """What is read from this machine's disks, and the store that days are published in."""
    yield from in_turn(
        ("settings", lambda: job(settings)),
        ("prior", lambda: prior(settings)),
        ("model", lambda: model(settings)),
        ("weather", lambda: weather(settings)),
    )
    yield examine("granules", lambda: granules(settings))
    yield examine("stations", lambda: stations(settings))
    yield examine("catalogue", lambda: catalogue(settings))


def job(settings: Settings) -> Answer:
    """Whether the settings describe a day's work; raises ConfigError."""
    from flows.day.jobs import job_of

    made = job_of(settings)
    source = "Earthdata" if made.download is not None else made.folder
    told = f"{settings.domain}, {' and '.join(settings.products)}, granules from {source or 'nowhere'}"
    if source is None:
        return warned(told, "Set `granules`, or give Earthdata credentials (EARTHDATA_TOKEN).")
    return passed(told)


def prior(settings: Settings) -> Answer:
    """Whether the prior opens whole and covers the domain; raises PriorError."""
    from downscaler import product
    from downscaler.stores.prior import open_prior

    opened = open_prior(cast("Path", settings.prior))
    opened.require(product.domain(settings.domain))
    first, last = opened.period
    return passed(f"{settings.prior}: {first} to {last}{' (simulated)' if opened.simulated else ''}")


def model(settings: Settings) -> Answer:
    """Whether the model loads with its checksums; raises ModelError."""
    from downscaler.stores.model import load_model

    loaded = load_model(cast("Path", settings.model))
    return passed(f"{settings.model}{' (simulated record)' if loaded.card['simulated'] else ''}")


def weather(settings: Settings) -> Answer:
    """Whether the weather store covers the domain, and how late it is; raises WeatherError."""
    from downscaler import product
    from downscaler.day.weather import weather_lateness
    from downscaler.stores.weather import open_weather

    if settings.weather is None:
        return skipped("no weather store is set")
    opened = open_weather(settings.weather)
    opened.require(product.domain(settings.domain))
    late = weather_lateness(opened, dt.datetime.now(dt.UTC).date())
    told = f"{settings.weather}: {late}"
    if late.days is None or late.days > settings.look_back:
        return warned(told, "`vadose weather extend` adds the days since.")
    return warned(told, "`vadose weather extend` adds the days between.") if late.gaps else passed(told)


def granules(settings: Settings) -> Answer:
    """Whether the folder of granules holds any, and how old the newest is; raises GranuleMissingError."""
    from flows.day.jobs import job_of

    if settings.granules is None or settings.smap_source == "earthdata":
        return skipped("granules are fetched from Earthdata")
    return _offered(job_of(settings), settings)


def _offered(made: DayJob, settings: Settings) -> Answer:
    from downscaler.product import FIRST_DAY
    from flows.day.granules import supply

    place = supply(made)
    assert place is not None
    today = dt.datetime.now(dt.UTC).date()
    days = place.offers(FIRST_DAY, today)
    if not days:
        return warned(
            f"{settings.granules}: no granule of {settings.smap_product or 'any product'}", place.missing(today)
        )
    newest = max(days)
    told = f"{settings.granules}: {len(days)} days, {min(days)} to {newest}"
    if (today - newest).days > settings.look_back:
        return warned(told, f"Nothing of the last {settings.look_back} days: is the folder still filled?")
    return passed(told)


def stations(settings: Settings) -> Answer:
    """Whether station data can be read, by their first sensor; raises StationError or HydroDataError."""
    from downscaler import product
    from downscaler.sources.insitu import read_stations

    if not settings.stations:
        return skipped("no stations are set; days are not validated")
    today = dt.datetime.now(dt.UTC).date()
    period, domain = (today - dt.timedelta(days=30), today), product.domain(settings.domain)
    told, unread = [], []
    for source in settings.stations:
        reads = list(_until_a_sensor(read_stations(source, domain=domain, period=period, deepest=0.1)))
        series, report = reads[-1] if reads else (None, None)
        name = Path(source).name
        if series is None:
            unread.append(f"{name}: {(report.problem or report.left_out) if report else 'no sensor of the domain'}")
        else:
            told.append(f"{name}: {series.sensor.station}")
    if unread:
        return warned(
            "; ".join([*told, *unread]), "`vadose info FILE` tells what a file holds; other files may be read."
        )
    return passed("; ".join(told))


def _until_a_sensor(reads: Iterator[Read]) -> Iterator[Read]:
    """Reads up to the first that brings a sensor, or a few of those that bring none."""
    for number, (series, report) in enumerate(reads, 1):
        yield series, report
        if series is not None or number >= _ENOUGH:
            return


def catalogue(settings: Settings) -> Answer:
    """Whether the catalogue can be written: a folder by a file that is moved, a bucket by conditional writes.

    Raises CatalogError, StorageFullError, ConditionalWriteError.
    """
    from catalog.naming import ROOT
    from catalog.store.base import Write, open_store
    from catalog.store.probe import require_conditional_writes

    require_conditional_writes.cache_clear()
    require_conditional_writes(settings.catalog)
    store, key = open_store(settings.catalog), "claims/probe/doctor.json"
    with store.staging() as folder:
        store.apply([Write(key=key, content=b"{}")], folder)
    store.delete([key])
    begun = "holds a catalogue" if store.get(ROOT) is not None else "empty so far"
    return passed(f"{settings.catalog}: can be written, {begun}")
