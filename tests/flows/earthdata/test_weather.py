"""NLDAS-2 and IMERG fetched by the real client from the stand-in: late hours, newer releases, nothing fetched twice."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import weather_files as making

from downscaler import product
from downscaler.errors import AbsentDataError, ConfigError
from downscaler.sources.earthdata import Endpoints
from downscaler.sources.weather import open_weather_source
from downscaler.sources.weather.earthdata import fetch_weather

DAY = making.DAY


def endpoints(earthdata: Any) -> Endpoints:
    return Endpoints(cmr=f"{earthdata.base}/search/", login=earthdata.login, timeout=5)


def hold(earthdata: Any, paths: list[Path], short_name: str, version: str, day: dt.date = DAY) -> None:
    for path in paths:
        earthdata.hold(path, short_name=short_name, version=version, day=day)


def test_hours_arrive_late_and_only_they_are_fetched_then(earthdata: Any, tmp_path: Path) -> None:
    paths = making.nldas2_hours(tmp_path / "archive")
    hold(earthdata, paths[:20], "NLDAS_FORA0125_H", "2.0")
    there = tmp_path / "files"
    assert fetch_weather("nldas2", there, [DAY], product.LITTLE_WASHITA, endpoints(earthdata)) == {DAY: 20}
    hold(earthdata, paths[20:], "NLDAS_FORA0125_H", "2.0")
    before = earthdata.seen["archive"]
    assert fetch_weather("nldas2", there, [DAY], product.LITTLE_WASHITA, endpoints(earthdata)) == {}
    assert earthdata.seen["archive"] - before <= 24
    before = earthdata.seen["search"]
    assert fetch_weather("nldas2", there, [DAY], product.LITTLE_WASHITA, endpoints(earthdata)) == {}
    assert earthdata.seen["search"] == before  # whole: not even asked for
    assert len(list((there / "files").glob("*.nc"))) == 24


def test_the_newest_release_of_a_day(earthdata: Any, tmp_path: Path) -> None:
    old, new = (making.imerg_day(tmp_path / "archive", release=name) for name in ("V07B", "V07C"))
    hold(earthdata, [new, old], "GPM_3IMERGDL", "07")
    assert fetch_weather("imerg", tmp_path / "f", [DAY], product.LITTLE_WASHITA, endpoints(earthdata)) == {}
    assert [path.name for path in (tmp_path / "f" / "files").glob("*.nc4")] == [new.name]


def test_a_release_that_comes_later_is_fetched_too_and_read_in_the_place_of_the_old(
    earthdata: Any, tmp_path: Path
) -> None:
    old, new = (making.imerg_day(tmp_path / "archive", release=name) for name in ("V07B", "V07C"))
    there, fetched = tmp_path / "f", []
    for paths in ([old], [], [new], []):
        hold(earthdata, paths, "GPM_3IMERGDL", "07")
        before = earthdata.seen["archive"]
        assert fetch_weather("imerg", there, [DAY], product.LITTLE_WASHITA, endpoints(earthdata)) == {}
        fetched.append(earthdata.seen["archive"] > before)
    assert fetched == [True, False, True, False]
    source = open_weather_source("imerg", there)
    assert source.read(DAY, source.lattice.window).version == "V07C"
    (there / "files" / new.name).rename(there / new.name)  # a file of one's own, wherever it lies
    (there / "files" / old.name).unlink()
    before = earthdata.seen["archive"]
    assert fetch_weather("imerg", there, [DAY], product.LITTLE_WASHITA, endpoints(earthdata)) == {}
    assert earthdata.seen["archive"] == before


def test_days_that_the_archive_lacks(earthdata: Any, tmp_path: Path) -> None:
    with pytest.raises(AbsentDataError, match="no GPM_3IMERGDL 07"):
        fetch_weather("imerg", tmp_path / "f", [DAY], product.LITTLE_WASHITA, endpoints(earthdata))
    with pytest.raises(ConfigError):
        fetch_weather("nldas3", tmp_path / "f", [DAY], product.LITTLE_WASHITA, endpoints(earthdata))
