"""Builds the inputs of daily production, with progress bars: sample, prior, model."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import console

if TYPE_CHECKING:
    from downscaler.ground.grid import Domain
    from downscaler.ground.prior import Prior
    from downscaler.simulation.pieces import Place
    from downscaler.sources.parflow import PriorSource
    from flows.settings import Settings

ASKED = 10_000_000_000  # bytes that are fetched from HydroFrame without --yes


def make_sample(
    out: Path,
    domain: str,
    *,
    days: int,
    seed: int,
    start: dt.date,
    history: int,
    spin_up: int = 90,
    stations: Path | None = None,
    workers: int = 1,
) -> None:
    """The sample on a named domain, with a progress bar; its stations where those of a file stand, if one is given.

    Raises StationError where the file holds no station of the domain.
    """
    from downscaler import product
    from downscaler.simulation.sample import write_sample

    where = product.domain(domain)
    places = None if stations is None else places_of(stations, where)
    how: dict[str, Any] = {"days": days, "start": start, "seed": seed, "history": history, "spin_up": spin_up}
    with console.progress_bar("simulating days") as tell:
        write_sample(out, where, **how, places=places, workers=workers, progress=tell)


def places_of(stations: Path, domain: Domain) -> list[Place]:
    """Where the stations of a file or folder stand on a domain; their simulated networks are called SIM-."""
    from downscaler.errors import StationError
    from downscaler.simulation.pieces import Place
    from downscaler.sources.insitu import read_stations

    found: dict[tuple[str, str], Place] = {}
    for series, _ in read_stations(stations, domain=domain, period=(dt.date.min, dt.date.max), deepest=0.1):
        if series is not None:
            at = series.sensor
            place = Place(network=f"SIM-{at.network}", name=at.station, latitude=at.lat, longitude=at.lon)
            found.setdefault((place.network, place.name), place)
    if not found:
        raise StationError("No station stands on the domain", value=stations, allowed=domain.title)
    return list(found.values())


def open_downloaded(
    folder: Path,
    domain: str,
    dataset: str | None,
    period: tuple[dt.date | None, dt.date | None],
    *,
    forcing: bool,
    hourly: bool,
    yes: bool,
) -> PriorSource:
    """HydroFrame's run on a named domain, fetched into a folder with a progress bar; its volume is told before.

    Raises ConfigError for more than ``ASKED`` bytes without ``yes``.
    """
    from downscaler import product
    from downscaler.sources.parflow.hydrodata import Request, open_hydrodata, volume

    where = product.domain(domain)
    coming = volume(Request.of(dataset, where, *period, forcing=forcing, hourly=hourly), folder)
    console.say(f"to fetch from HydroFrame: {coming}")
    most = None if yes else ASKED
    with console.progress_bar("fetching months") as tell:
        return open_hydrodata(folder, where, dataset, period, forcing=forcing, hourly=hourly, most=most, progress=tell)


def with_daymet(source: PriorSource, folder: Path, settings: Settings) -> PriorSource:
    """The run with Daymet's weather from a folder; files that are not there are fetched where credentials are."""
    from downscaler import product
    from downscaler.errors import PriorUnreadableError
    from downscaler.sources.covariates import WithWeather, fetch_daymet, open_daymet
    from downscaler.sources.earthdata import Endpoints, credentials_at_hand

    years = {day.year for day in source.days}
    try:
        return WithWeather(source, open_daymet(folder, years))
    except PriorUnreadableError:
        if not credentials_at_hand(settings.earthdata_login):
            raise
    endpoints = Endpoints(
        cmr=settings.earthdata_cmr, login=settings.earthdata_login, timeout=settings.earthdata_timeout
    )
    fetch_daymet(folder, years, product.domain(settings.domain), endpoints)
    return WithWeather(source, open_daymet(folder, years))


def make_model(
    prior: Path,
    out: Path,
    settings: Settings,
    grids: tuple[str, ...] = ("M09", "M36"),
    *,
    workers: int = 1,
    scheduler: str | None = None,
) -> dict[str, Any]:
    """Train on a prior store for SMAP grids, save the model folder, return its card: data, options, held-out skill.

    Processes or the workers of a Dask scheduler look at tiles and draw their rows; the model does not depend on them.
    """
    from downscaler import product
    from downscaler.errors import TrainingError, VadoseError
    from downscaler.learn.boosting import Options, rows_for
    from downscaler.learn.training import train as fit
    from downscaler.parts import alone
    from downscaler.report.model_files import write_report
    from downscaler.stores.model import save_model
    from downscaler.stores.prior import open_prior
    from flows.days.cluster import spread_on

    prior, out = prior.absolute(), out.absolute()  # workers may run in another folder
    opened = open_prior(prior)
    weather = None
    if settings.weather is not None:
        from downscaler.stores.weather import open_weather

        store = open_weather(settings.weather)
        store.require(opened.domain)
        weather = store.upto(opened.period[1])
    rows = settings.training_rows or rows_for(int(opened.attributes["active_cells"]))
    given: dict[str, Any] = {"rows": rows, "rounds": settings.training_rounds, "seed": settings.seed}
    options = Options(**{name: value for name, value in given.items() if value is not None})
    work = out.parent / f".{out.name}.training"  # kept when it is stopped: the same command goes on from there
    with alone(out):
        try:
            with console.progress_bar("training") as tell, spread_on(scheduler, workers, TrainingError) as spread:
                model = fit(
                    opened,
                    grids=[product.COARSE_GRIDS[name] for name in grids],
                    options=options,
                    progress=lambda what, done, total: tell(done, total, f"training: {what}"),
                    work=work,
                    weather=weather,
                    spread=spread,
                )
        except VadoseError:  # what cannot be trained leaves nothing
            shutil.rmtree(work, ignore_errors=True)
            raise
        save_model(model, out)
        shutil.rmtree(work, ignore_errors=True)
    write_report(out, model.card)
    return dict(model.card)


def make_prior(kind: str, path: Path, domain: str, out: Path, statics: Path | None) -> Prior:
    """The prior of a named domain, built from ParFlow-CLM output with a progress bar."""
    return store_prior(open_files(kind, path, statics), domain, out)


def open_files(kind: str, path: Path, statics: Path | None) -> PriorSource:
    """ParFlow-CLM output of a kind."""
    from downscaler.sources.parflow import open_source

    return open_source(kind, path, statics)


def store_prior(
    source: PriorSource,
    domain: str,
    out: Path,
    opener: Callable[[], PriorSource] | None = None,
    workers: int = 1,
    scheduler: str | None = None,
) -> Prior:
    """Bring an opened run onto a named domain's product grid, with a progress bar, and close it.

    Where ``opener`` opens the run again, processes or the workers of a Dask scheduler make the tiles.
    """
    from downscaler import product
    from downscaler.errors import PriorError
    from downscaler.stores.prior import build_prior
    from flows.days.cluster import spread_on

    where = product.domain(domain)
    with (
        closing(source),
        spread_on(scheduler, workers, PriorError) as spread,
        console.progress_bar("regridding tiles") as tell,
    ):
        return build_prior(source, where, out.absolute(), progress=tell, opener=opener, spread=spread)


def extend_store(source: PriorSource, prior: Path) -> Prior:
    """Append a run's new days to a prior store, with a progress bar, and close the run."""
    from downscaler.stores.prior import extend_prior

    with closing(source), console.progress_bar("adding days to tiles") as tell:
        return extend_prior(source, prior, progress=tell)


def open_newer(folder: Path, prior: Path, dataset: str | None, end: dt.date | None, *, yes: bool) -> PriorSource:
    """HydroFrame's run on a prior's domain after the prior's last day, fetched into a folder."""
    from downscaler.sources.parflow.hydrodata import Request, open_hydrodata, volume
    from downscaler.stores.prior import open_prior

    there = open_prior(prior)
    period = (there.period[1] + dt.timedelta(days=1), end)
    forcing = "precipitation" in there.data
    coming = volume(Request.of(dataset, there.domain, *period, forcing=forcing), folder)
    console.say(f"to fetch from HydroFrame: {coming}")
    most = None if yes else ASKED
    with console.progress_bar("fetching months") as tell:
        return open_hydrodata(folder, there.domain, dataset, period, forcing=forcing, most=most, progress=tell)
