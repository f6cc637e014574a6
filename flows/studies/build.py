"""Builds the inputs of daily production, with progress bars: sample, prior, model."""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import console

if TYPE_CHECKING:
    from downscaler.ground.prior import Prior
    from downscaler.sources.parflow import PriorSource
    from flows.settings import Settings


def make_sample(out: Path, domain: str, *, days: int, seed: int, start: dt.date, history: int) -> None:
    """The sample on a named domain, with a progress bar."""
    from downscaler import product
    from downscaler.simulation.sample import write_sample

    where = product.domain(domain)
    with console.progress_bar("simulating days") as tell:
        write_sample(out, where, days=days, start=start, seed=seed, history=history, progress=tell)


def open_downloaded(
    folder: Path, domain: str, dataset: str | None, period: tuple[dt.date | None, dt.date | None], *, forcing: bool
) -> PriorSource:
    """HydroFrame's run on a named domain, fetched into a folder with a progress bar."""
    from downscaler import product
    from downscaler.sources.parflow.hydrodata import open_hydrodata

    where = product.domain(domain)
    with console.progress_bar("fetching months") as tell:
        return open_hydrodata(folder, where, dataset, period, forcing=forcing, progress=tell)


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


def make_model(prior: Path, out: Path, settings: Settings, grids: tuple[str, ...] = ("M09", "M36")) -> dict[str, Any]:
    """Train on a prior store for SMAP grids, save the model folder, return its card: data, options, held-out skill."""
    from downscaler import product
    from downscaler.learn.boosting import Options
    from downscaler.learn.training import train as fit
    from downscaler.report.model_files import write_report
    from downscaler.stores.model import save_model
    from downscaler.stores.prior import open_prior

    given: dict[str, Any] = {"rows": settings.training_rows, "rounds": settings.training_rounds, "seed": settings.seed}
    options = Options(**{name: value for name, value in given.items() if value is not None})
    with console.progress_bar("training") as tell:
        model = fit(
            open_prior(prior),
            grids=[product.COARSE_GRIDS[name] for name in grids],
            options=options,
            progress=lambda what, done, total: tell(done, total, f"training: {what}"),
        )
    save_model(model, out)
    write_report(out, model.card)
    return dict(model.card)


def make_prior(kind: str, path: Path, domain: str, out: Path, statics: Path | None) -> Prior:
    """The prior of a named domain, built from ParFlow-CLM output with a progress bar."""
    return store_prior(open_files(kind, path, statics), domain, out)


def open_files(kind: str, path: Path, statics: Path | None) -> PriorSource:
    """ParFlow-CLM output of a kind."""
    from downscaler.sources.parflow import open_source

    return open_source(kind, path, statics)


def store_prior(source: PriorSource, domain: str, out: Path) -> Prior:
    """Bring an opened run onto a named domain's product grid, with a progress bar, and close it."""
    from downscaler import product
    from downscaler.stores.prior import build_prior

    where = product.domain(domain)
    with closing(source), console.progress_bar("regridding tiles") as tell:
        return build_prior(source, where, out, progress=tell)
