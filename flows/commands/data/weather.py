"""``vadose weather``: the weather store, built and extended from public products."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from downscaler.errors import PeriodError, WeatherError
from flows import console
from flows.commands.options import DomainName, day_option, ordered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from downscaler.ground.grid import Domain
    from downscaler.sources.weather import WeatherSource
    from flows.settings import Settings

Files = Annotated[Path, typer.Argument(metavar="PATH", help="File, or folder with the source's files.")]
Source = Annotated[
    str,
    typer.Option(
        metavar="SOURCE",
        help="Format of PATH: cw3e or hydroframe-nldas2 (HydroFrame), nldas2, nldas3, imerg, daymet, parflow (.pfb "
        "forcing), or netcdf for any CF file.",
    ),
]
Store = Annotated[Path, typer.Argument(metavar="WEATHER", help="Weather store.")]
PriorOption = Annotated[
    Path | None,
    typer.Option(
        "--prior",
        metavar="PRIOR",
        help="Prior whose elevation adjusts coarse temperature, and whose rain the source's is matched to.",
    ),
]


Start = Annotated[dt.date | None, day_option("First day to use; unset, all.")]
Fetch = Annotated[
    bool,
    typer.Option(
        "--fetch",
        help="First download the period's missing files into PATH, from Earthdata (nldas2, imerg), HydroFrame (cw3e, "
        "hydroframe-nldas2) or NLDAS-3's public archive (nldas3, the domain's window alone).",
    ),
]
End = Annotated[dt.date | None, day_option("Last day to use; unset, all.")]


def weather_build(
    context: typer.Context,
    path: Files,
    source: Source,
    out: Annotated[Path, typer.Option(metavar="WEATHER", help="Weather store to write.")],
    domain: DomainName = None,
    prior: PriorOption = None,
    start: Start = None,
    end: End = None,
    fetch: Fetch = False,
) -> None:
    """Build a weather store: daily precipitation and air temperature on the product grid.

    Coarse rain is regridded to 1 km by area, coarse temperature by lapse rate and the prior's elevation. Incomplete
    days are reported and left out. An existing store is extended.

    With a prior, and where PATH has days of the prior's own record, rain is matched to the prior's: as many wet days
    and as much rain by month and region. The store keeps the matching for the days to come.
    """
    from downscaler import product
    from downscaler.stores.weather import build_weather, open_weather
    from flows.settings import load_settings

    settings = load_settings(context.obj.config, domain=domain, prior=prior)
    period = ordered(start, end)
    fresh = not out.exists()
    build_weather(out, product.domain(settings.domain))
    try:
        if fetch:
            _fetch(out, path, source, period, settings)
        _add(out, path, source, settings.prior, period)
    except BaseException:
        if fresh and not open_weather(out).records:
            shutil.rmtree(out)  # a store without a day would be taken for one that was built
        raise


def weather_extend(
    context: typer.Context,
    weather: Store,
    path: Files,
    source: Source,
    prior: PriorOption = None,
    start: Start = None,
    end: End = None,
    fetch: Fetch = False,
) -> None:
    """Add days, or newer versions of days, to a weather store."""
    from flows.settings import load_settings

    settings, period = load_settings(context.obj.config, prior=prior), ordered(start, end)
    if fetch:
        _fetch(weather, path, source, period, settings)
    _add(weather, path, source, settings.prior, period)


def weather_match(
    context: typer.Context,
    weather: Store,
    path: Files,
    source: Source,
    prior: PriorOption = None,
) -> None:
    """Match a source's rain to a prior's anew, on the days that both have.

    Days that are there already stay as they are; extend the store with their files to bring them again.
    """
    from downscaler.errors import ConfigError
    from downscaler.sources.weather import open_weather_source
    from downscaler.stores.prior import open_prior
    from downscaler.stores.weather import fit_matching
    from flows.settings import load_settings

    settings = load_settings(context.obj.config, prior=prior)
    if settings.prior is None:
        raise ConfigError("Matching needs a prior", remedy="Give --prior PRIOR, or set `prior` in vadose.toml.")
    opened = open_weather_source(source, path)
    try:
        kept = fit_matching(weather, opened, open_prior(settings.prior))
    finally:
        opened.close()
    if kept is None:
        raise WeatherError(
            f"{opened.title} has too few days of the prior's record",
            value=f"{opened.days[0]} to {opened.days[-1]}",
            allowed="15 days or more of a month of the year",
        )
    console.say(f"rain of {opened.title} is matched to {kept.prior}: {kept.days} days of {kept.first} to {kept.last}")


def weather_check(weather: Store) -> None:
    """Read a whole weather store and verify the checksum of every day."""
    from downscaler.stores.weather import open_weather

    store = open_weather(weather)
    if damaged := store.damaged():
        raise WeatherError(
            f"{len(damaged)} days of {weather} are damaged",
            value=", ".join(damaged[:10]),
            remedy="Delete their records in `days/` and add them again: vadose weather extend.",
        )
    console.say(f"{len(store.records)} days are whole: {weather}")


def _fetch(
    store: Path, path: Path, kind: str, period: tuple[dt.date | None, dt.date | None], settings: Settings
) -> None:
    """Download the period's files into ``path``; report days that the archive has only in part."""
    from downscaler.sources.earthdata import Endpoints
    from downscaler.sources.weather.earthdata import fetch_weather
    from downscaler.sources.weather.hydroframe import FORCINGS, fetch_hydroframe
    from downscaler.sources.weather.nldas3_window import fetch_nldas3
    from downscaler.stores.weather import open_weather

    first, last = period
    if first is None or last is None:
        raise PeriodError("--fetch needs a period", allowed="--start DATE --end DATE")
    days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    domain = open_weather(store).domain
    if kind in FORCINGS:
        lacking = fetch_hydroframe(kind, path, days, domain)
    elif kind == "nldas3":
        patience = settings.earthdata_timeout
        lacking = fetch_nldas3(path, days, domain, address=settings.nldas3_address, timeout=patience)
    else:
        endpoints = Endpoints(
            cmr=settings.earthdata_cmr, login=settings.earthdata_login, timeout=settings.earthdata_timeout
        )
        lacking = fetch_weather(kind, path, days, domain, endpoints)
    for day, held in lacking.items():
        console.err.print(console.Text(f"{day}: the archive has only {held} files of this day so far", "yellow"))


def _add(store: Path, path: Path, kind: str, prior: Path | None, period: tuple[dt.date | None, dt.date | None]) -> None:
    from downscaler.sources.weather import open_weather_source
    from downscaler.stores.weather import add_days

    first, last = period
    opened = open_weather_source(kind, path)
    left_out: list[tuple[dt.date, str]] = []
    try:
        days = [d for d in opened.days if (first is None or d >= first) and (last is None or d <= last)]
        if not days:
            raise WeatherError(
                f"{opened.title} has no day of the period",
                value=f"{first or 'any'} to {last or 'any'}",
                allowed=f"{opened.days[0]} to {opened.days[-1]}",
            )
        own = _match(store, opened, prior)
        written = add_days(
            store,
            opened,
            days,
            elevation=_elevation(prior),
            own=own,
            said=lambda day, what: left_out.append((day, what)),
        )
    finally:
        opened.close()
    for day, what in left_out:
        console.err.print(console.Text(f"{day} left out: {what}", "yellow"))
    same = len(days) - len(written) - len(left_out)
    console.say(
        f"{len(written)} days of {opened.title} written, {same} already there, {len(left_out)} left out: {store}"
    )
    if left_out and not written and not same:
        raise WeatherError(f"No day of {path} could be taken", value=left_out[0][1])


def _match(store: Path, source: WeatherSource, prior: Path | None) -> bool:
    """Match the source to the prior where the store does not yet; whether it is the prior's own forcing."""
    if prior is None:
        return False
    from downscaler.stores.prior import open_prior
    from downscaler.stores.weather import fit_matching, is_own_forcing, kept_matching

    opened = open_prior(prior)
    if is_own_forcing(source, opened):
        return True
    kept = kept_matching(store, source.name)
    if kept is None or kept.prior != opened.title:
        kept = fit_matching(store, source, opened)
        said = "not matched to the prior's: too few days in both" if kept is None else f"matched to {kept.prior}'s"
        console.say(f"rain of {source.title} is {said}")
    return False


def _elevation(prior: Path | None) -> Callable[[Domain], NDArray[np.float32]] | None:
    """Reads the elevation of a domain's cells from a prior; None without a prior, or one without elevation."""
    if prior is None:
        return None
    from downscaler.ground.grid import M01, Span, Window
    from downscaler.stores.prior import open_prior

    opened = open_prior(prior)
    if "elevation" not in opened.data:
        return None

    def read(domain: Domain) -> NDArray[np.float32]:
        opened.require(domain)
        shape = domain.shape(M01)
        whole = Window(rows=Span(start=0, stop=shape.y), columns=Span(start=0, stop=shape.x))
        found: NDArray[np.float32] = opened.window(domain, whole)["elevation"].values
        return found

    return read
