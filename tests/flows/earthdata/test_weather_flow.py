"""SMAP and weather in both orders, late and revised: a day is published with what was there, again if it matters.

The daily run's own work (``make_last``), the fetch of granules and of weather by the real clients from the stand-in.
"""

import datetime as dt
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
import weather_files as making
import xarray as xr

from downscaler import product
from downscaler.day.weather import NO_WEATHER
from downscaler.product import Flag
from downscaler.sources.parflow import open_source
from downscaler.stores.prior import build_prior
from flows.day.jobs import DayOutcome, job_of
from flows.days.plan import make_last
from flows.settings import load_settings

pytestmark = pytest.mark.integration

DOMAIN = "-94.9,34.3,-94.4,34.6"
FIRST, SECOND = dt.date(2024, 5, 24), dt.date(2024, 5, 25)
RAIN = Flag.WITHOUT_WEATHER | Flag.PRELIMINARY_WEATHER


def wetter(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """The archive's field with 12 mm more."""
    return np.asarray(making.rain(lon, lat) + 12.0)


@pytest.fixture(scope="module")
def early(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prior as it was before the first of the two days."""
    folder, native = tmp_path_factory.mktemp("early"), made / "sample" / "prior"
    with xr.open_dataset(native / "daily.nc") as daily:
        before = daily.sel(time=daily["time"] < np.datetime64(FIRST))
        before.to_netcdf(folder / "daily.nc")
    source = open_source("netcdf", folder / "daily.nc", native / "static.nc")
    build_prior(source, product.domain(DOMAIN), folder / "prior")
    source.close()
    return folder / "prior"


@pytest.fixture
def config(vadose: Any, made: Path, early: Path, tmp_path: Path, pointed: Callable[..., None]) -> Path:
    """Settings without any folder of granules, in an environment that points at the stand-in."""
    pointed()
    file = tmp_path / "vadose.toml"
    file.write_text(
        f'domain = "{DOMAIN}"\nprior = "{early}"\nmodel = "{made / "model"}"\ncatalog = "catalog"\ncache = "cache"\n'
        'weather = "weather"\nproducts = ["conserving"]\n'
    )
    return file


def run(config: Path, last: dt.date) -> dict[dt.date, DayOutcome]:
    """What the daily run does."""
    made = make_last(job_of(load_settings(config)), 3, last=last)
    assert all(outcome.status in ("published", "no-coverage") for outcome in made), made
    return {outcome.date: outcome for outcome in made if outcome.status == "published"}


def published(config: Path, day: dt.date) -> tuple[int, Flag, list[str], dict[str, Any]]:
    """Revision, flags of weather, caveats and the record of the weather of a day in the catalogue."""
    catalog = pystac.Catalog.from_file(str(config.parent / "catalog" / "catalog.json"))
    item = next(i for i in catalog.get_items(recursive=True) if i.datetime and i.datetime.date() == day)
    with rasterio.open(item.assets["quality_flag"].get_absolute_href()) as file:
        flags = file.read(1, masked=True).compressed()
    kinds = {int(flag) & int(RAIN) for flag in flags if not flag & Flag.FILL}
    assert len(kinds) == 1
    told = json.loads(Path(item.assets["provenance"].get_absolute_href()).read_text())
    weather = next((entry for entry in told["inputs"] if entry["kind"] == "weather"), {})
    return int(item.properties["version"]), Flag(kinds.pop()), item.properties["vadose:caveats"], weather


def test_both_orders_late_and_revised(config: Path, vadose: Any, earthdata: Any, made: Path, tmp_path: Path) -> None:
    files = (made / "sample" / "granules").glob("*.h5")
    granules = {int(found[1]): file for file in files if (found := re.search(r"202405(\d\d)", file.name))}

    def extend(kind: str, day: dt.date) -> str:
        line = ("weather", "extend", "weather", kind, "--source", kind, "--fetch", "--start", day, "--end", day)
        ended = vadose(*line)
        assert ended.code == 0, ended.err
        return ended.out

    def arrives(kind: str, day: dt.date, field: Callable[..., np.ndarray] = making.rain) -> None:
        if kind == "imerg":
            paths, name, version = [making.imerg_day(tmp_path / "archive" / kind, day)], "GPM_3IMERGDL", "07"
        else:
            paths = making.nldas2_hours(tmp_path / "archive" / kind, day, field=field)
            name, version = "NLDAS_FORA0125_H", "2.0"
        for path in paths:
            earthdata.hold(path, short_name=name, version=version, day=day)
        assert "1 days of" in extend(kind, day)

    from downscaler.stores.weather import build_weather

    build_weather(tmp_path / "weather", product.domain(DOMAIN))

    earthdata.hold(granules[FIRST.day], day=FIRST)  # SMAP first, no weather yet
    assert list(run(config, FIRST)) == [FIRST]
    revision, flags, caveats, weather = published(config, FIRST)
    assert (revision, flags, weather) == (1, Flag.WITHOUT_WEATHER, {})
    assert NO_WEATHER in caveats
    assert run(config, FIRST) == {}

    arrives("imerg", FIRST)  # late, and preliminary
    assert list(run(config, FIRST)) == [FIRST]
    revision, flags, caveats, weather = published(config, FIRST)
    assert (revision, flags) == (2, Flag.PRELIMINARY_WEATHER)
    assert any("is preliminary" in said for said in caveats)
    assert weather["attributes"]["days"] == {str(FIRST): "imerg V07B preliminary"}
    assert run(config, FIRST) == {}

    arrives("nldas2", FIRST)  # final, of the same rain: nothing that matters
    assert run(config, FIRST) == {}
    assert published(config, FIRST)[0] == 2

    arrives("imerg", SECOND)  # weather first, then SMAP
    assert run(config, SECOND) == {}
    earthdata.hold(granules[SECOND.day], day=SECOND)
    assert list(run(config, SECOND)) == [SECOND]
    revision, flags, _, weather = published(config, SECOND)
    assert (revision, flags) == (1, Flag.PRELIMINARY_WEATHER)
    assert set(weather["attributes"]["days"].values()) == {"nldas2 2.0 final", "imerg V07B preliminary"}
    assert run(config, SECOND) == {}

    arrives("nldas2", SECOND, wetter)  # final, and of much more rain
    assert list(run(config, SECOND)) == [SECOND]
    revision, flags, caveats, _ = published(config, SECOND)
    assert (revision, flags) == (2, Flag(0))
    assert not any("preliminary" in said for said in caveats)
    assert run(config, SECOND) == {}
    told = vadose("status", "--until", SECOND, "--days", 2).out
    assert f"weather until {SECOND}, 0 days ago" in told
    assert told.count("published") >= 2
