"""Searches of CMR that page shortly, tell of a file twice, or give fewer records than they told of."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from downscaler.errors import AcquisitionError
from downscaler.product import DEMO
from downscaler.sources.earthdata import Cache, Endpoints, remote_file
from downscaler.sources.smap import EarthdataSupply

FIRST = dt.date(2024, 5, 23)
DAYS = [FIRST + dt.timedelta(days=n) for n in range(12)]


def supply(earthdata: Any, folder: Path, **more: Any) -> EarthdataSupply:
    endpoints = Endpoints(cmr=f"{earthdata.base}/search/", login=earthdata.login, timeout=5)
    return EarthdataSupply(endpoints=endpoints, cache=Cache(folder=folder, limit=None), domain=DEMO, **more)


def hold(earthdata: Any, folder: Path, day: dt.date, content: bytes = b"x", **more: Any) -> None:
    path = folder / f"SMAP_L3_SM_P_E_{day:%Y%m%d}_R19240_001.h5"
    path.write_bytes(content)
    earthdata.hold(path, day=day, **more)


@pytest.mark.parametrize("page", [1, 5, 11, 12, 2000])
def test_a_short_page_does_not_end_the_search(earthdata: Any, tmp_path: Path, page: int) -> None:
    for day in DAYS:
        hold(earthdata, tmp_path, day)
    earthdata.page = page
    assert sorted(supply(earthdata, tmp_path / "c").offers(DAYS[0], DAYS[-1])) == DAYS


def test_records_that_never_come_are_an_error(earthdata: Any, tmp_path: Path) -> None:
    for day in DAYS[:5]:
        hold(earthdata, tmp_path, day)
    earthdata.withheld = 7
    with pytest.raises(AcquisitionError, match="5 of 12"):
        supply(earthdata, tmp_path / "c").offers(DAYS[0], DAYS[-1])


def test_a_page_that_comes_again_is_not_counted_twice(earthdata: Any, tmp_path: Path) -> None:
    for day in DAYS:
        hold(earthdata, tmp_path, day)
    earthdata.page, earthdata.stuck = 5, True
    with pytest.raises(AcquisitionError, match="5 of 12"):
        supply(earthdata, tmp_path / "c").offers(DAYS[0], DAYS[-1])


def test_a_record_that_makes_no_sense_is_left_out_and_the_others_are_used(
    earthdata: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hold(earthdata, tmp_path, DAYS[0])
    hold(earthdata, tmp_path, DAYS[1], told={"Checksum": "abc"})
    assert list(supply(earthdata, tmp_path / "c").offers(DAYS[0], DAYS[1])) == [DAYS[0]]
    assert "Left out: A record of the archive cannot be read" in caplog.text


@pytest.mark.parametrize("cloud_first", [True, False])
def test_of_two_hosts_in_one_record_the_cloud_counts(cloud_first: bool) -> None:
    name = f"SMAP_L3_SM_P_E_{FIRST:%Y%m%d}_R19240_001.h5"
    hosts = ["https://data.nsidc.earthdatacloud.nasa.gov", "https://n5eil01u.ecs.nsidc.org"]
    links = [{"Type": "GET DATA", "URL": f"{host}/{name}"} for host in (hosts if cloud_first else hosts[::-1])]
    assert remote_file({"umm": {"RelatedUrls": links}}, ".h5").url == f"{hosts[0]}/{name}"


@pytest.mark.parametrize("order", [("NSIDC_ECS", "NSIDC_CPRD"), ("NSIDC_CPRD", "NSIDC_ECS")])
def test_of_both_records_of_a_migrated_granule_the_cloud_one_counts(
    earthdata: Any, tmp_path: Path, order: tuple[str, str]
) -> None:
    for provider in order:
        told = {"Checksum": {"Value": "0" if provider == "NSIDC_ECS" else "1", "Algorithm": "MD5"}}
        hold(earthdata, tmp_path, FIRST, provider=provider, told=told)
    (offer,) = supply(earthdata, tmp_path / "c").offers(FIRST, FIRST)[FIRST]
    assert offer.remote is not None
    assert offer.remote.checksum == ("MD5", "1")


@pytest.mark.parametrize("version", ["6", "06", "006"])
def test_a_version_without_its_zeros_is_the_same(earthdata: Any, tmp_path: Path, version: str) -> None:
    hold(earthdata, tmp_path, FIRST)
    assert list(supply(earthdata, tmp_path / "c", version=version).offers(FIRST, FIRST)) == [FIRST]


def test_a_retired_version_is_told_apart_from_a_day_that_is_not_out_yet(earthdata: Any, tmp_path: Path) -> None:
    retired = supply(earthdata, tmp_path / "c", version="5")
    assert retired.offers(FIRST, FIRST) == {}
    assert "version 005" in retired.missing(FIRST)
    assert "006 is current" in retired.missing(FIRST)
    assert "about two days" in retired.missing(dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1))
