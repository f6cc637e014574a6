"""``vadose sample``, ``vadose prior build`` and ``extend``, ``vadose train``: the inputs of daily production."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from downscaler.errors import ConfigError
from flows import console
from flows.commands.options import DomainName, Json, PriorPath, Scheduler, Seed, day_option, ordered

if TYPE_CHECKING:
    from downscaler.sources.parflow import PriorSource


class SourceKind(StrEnum):
    """Formats of ParFlow-CLM output."""

    PFB = "pfb"
    NETCDF = "netcdf"
    ZARR = "zarr"
    HYDRODATA = "hydrodata"


def sample(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder to write in.")],
    days: Annotated[int, typer.Option(min=1, help="Days with SMAP granules.")] = 12,
    domain: DomainName = None,
    seed: Seed = None,
    start: Annotated[dt.date, day_option("First day with a granule.")] = dt.date(2024, 5, 23),
    history: Annotated[int, typer.Option(min=30, help="Days of the prior before the first granule.")] = 365,
    spin_up: Annotated[int, typer.Option(min=0, help="Days that each run simulates before its first kept day.")] = 90,
    stations: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Place the simulated stations as those of this USCRN file, ISMN archive or folder; unset, by chance.",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that simulate pieces of a large land at once, 0.3 GB of memory each.")
    ] = 1,
) -> None:
    """Write the simulated sample: SMAP granules, ParFlow-CLM-like priors and stations, in their native formats.

    Landscape, weather and hydrology come from a seed. Every file says that it is simulated. A land of more than 512 km
    is simulated in squares of 256 km, so that the contiguous USA fits in memory; its lattice is CONUS2's.
    """
    from flows.settings import load_settings
    from flows.studies.build import make_sample

    settings = load_settings(context.obj.config, domain=domain, seed=seed)
    # The sample is a few counties by default, not the whole product's domain.
    name = domain if domain or "domain" in settings.model_fields_set else "demo"
    make_sample(
        out,
        name or settings.domain,
        days=days,
        seed=settings.seed,
        start=start,
        history=history,
        spin_up=spin_up,
        stations=stations,
        workers=workers,
    )
    console.say(f"simulated sample of {days} days: {out}")


def prior_build(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="Folder with .pfb and prior.toml; NetCDF file, folder or glob; Zarr store; or download folder.",
        ),
    ],
    source: Annotated[SourceKind, typer.Option(help="Format of PATH.")],
    out: Annotated[Path, typer.Option(metavar="PRIOR", help="Prior store to write.")],
    domain: DomainName = None,
    statics: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Terrain, soil and land cover, if in a separate file.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="HydroFrame run to download, such as conus1_baseline_mod, conus2_baseline or ucrb_baseline."),
    ] = None,
    start: Annotated[dt.date | None, day_option("First day to download; unset, the run's.")] = None,
    end: Annotated[dt.date | None, day_option("Last day to download; unset, the run's.")] = None,
    forcing: Annotated[
        bool, typer.Option("--forcing/--no-forcing", help="Download the run's daily weather too (hydrodata).")
    ] = True,
    hourly: Annotated[
        bool,
        typer.Option("--hourly", help="Make daily means of hourly saturation (hydrodata): 24 times the download."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Download however much it is (hydrodata).")] = False,
    daymet: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Take the weather from Daymet V4 files in this folder; missing files are downloaded."
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that build tiles at once (pfb, netcdf, zarr), 1 GB of memory each.")
    ] = 1,
    scheduler: Scheduler = None,
) -> None:
    """Bring ParFlow-CLM output onto the 1 km product grid, with its day-of-year climatology.

    For pfb, PATH is a folder with the files and a prior.toml that describes them: grid, ij bounds, start, step and the
    variable of each file pattern. For hydrodata, PATH is a folder that is filled from HydroFrame by month and block; an
    interrupted download resumes with the same command.
    """
    from flows.settings import load_settings
    from flows.studies.build import open_downloaded, open_files, store_prior, with_daymet

    settings = load_settings(context.obj.config, domain=domain)
    again: Callable[[], PriorSource] | None = None
    if source is not SourceKind.HYDRODATA and (dataset or start or end or hourly or yes):
        raise ConfigError("--dataset, --start, --end, --hourly and --yes need --source hydrodata", value=source.value)
    if source is SourceKind.HYDRODATA:
        weather = forcing and daymet is None
        opened = open_downloaded(
            path, settings.domain, dataset, ordered(start, end), forcing=weather, hourly=hourly, yes=yes
        )
    else:
        where = path.absolute(), None if statics is None else statics.absolute()  # workers may run in another folder
        again = partial(open_files, source.value, *where)
        opened = again()
    if daymet is not None:
        opened, again = with_daymet(opened, daymet, settings), None
    if scheduler is not None and again is None:
        given = "--daymet" if daymet is not None else source.value
        raise ConfigError("--scheduler needs a run in files", value=given, allowed="pfb, netcdf, zarr; no --daymet")
    made = store_prior(opened, settings.domain, out, again, workers, scheduler)
    first, last = made.period
    console.say(f"prior {made.title!r}, {first} to {last}, on {made.domain.name}: {out}")


def prior_extend(
    prior: Annotated[Path, typer.Argument(metavar="PRIOR", help="Prior store made by `vadose prior build`.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The run with its new days, as for `prior build`.")],
    source: Annotated[SourceKind, typer.Option(help="Format of PATH.")],
    dataset: Annotated[str | None, typer.Option(help="HydroFrame run to download (hydrodata).")] = None,
    end: Annotated[dt.date | None, day_option("Last day to download (hydrodata).")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Download however much it is (hydrodata).")] = False,
) -> None:
    """Append a run's new days to a prior store.

    Statistics and climatology stay those of the record that the store was built from, which models were trained with.
    """
    from flows.studies.build import extend_store, open_files, open_newer

    if source is SourceKind.HYDRODATA:
        opened = open_newer(path, prior, dataset, end, yes=yes)
    elif dataset or end or yes:
        raise ConfigError("--dataset, --end and --yes need --source hydrodata", value=source.value)
    else:
        opened = open_files(source.value, path, None)
    made = extend_store(opened, prior)
    console.say(f"prior {made.title!r}, {made.period[0]} to {made.period[1]}: {prior}")


def train(
    context: typer.Context,
    prior: PriorPath = None,
    out: Annotated[Path | None, typer.Option(metavar="MODEL", file_okay=False, help="Model folder to write.")] = None,
    seed: Seed = None,
    weather: Annotated[
        Path | None,
        typer.Option(metavar="WEATHER", help="Weather store, for a prior that has no weather of its own."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that look at tiles and draw rows at once, 0.6 GB of memory each.")
    ] = 1,
    scheduler: Scheduler = None,
    json: Json = False,
) -> None:
    """Train the hybrid on a prior: XGBoost on the sub-grid anomaly, tested on days held out of the record.

    The trees grow on this machine, whoever draws the rows; the model is the same to the bit.
    """
    from downscaler.report.trained import expectations, in_other_seasons
    from flows.settings import load_settings
    from flows.studies.build import make_model

    settings = load_settings(context.obj.config, prior=prior, seed=seed, model=out, weather=weather)
    if settings.prior is None or settings.model is None:
        raise ConfigError(
            "Training needs a prior and an output folder for the model", remedy="Give --prior PRIOR --out MODEL."
        )
    card = make_model(settings.prior, settings.model, settings, workers=workers, scheduler=scheduler)
    if json:
        console.say_json(card)
        return
    console.out.print(skill_table(card))
    if text := in_other_seasons(card):
        console.say(text)
    for _, sentence in expectations(card):
        console.say(f"analysis, {sentence}")
    console.say(f"model: {settings.model}")


def skill_table(card: Mapping[str, Any]) -> console.Table:
    """Errors on held-out days of the prior: one column per method, one row per branch of the model."""
    skill: Mapping[str, Any] = card["skill"]
    methods = list(next(iter(skill.values()))["rmse"])
    made = console.table("RMSE on held-out days of the prior, m3 m-3", "branch", *(f"{method}>" for method in methods))
    for branch, figures in skill.items():
        made.add_row(branch, *(f"{figures['rmse'][method]:.4f}" for method in methods))
    return made
