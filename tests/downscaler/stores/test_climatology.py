"""SMAP's climatology from a folder, the prior's from its store, and both as files; on the simulated sample."""

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from downscaler.errors import ClimatologyError, GranuleMissingError, GranuleUnreadableError, NoRetrievalError
from downscaler.ground.blocks import block_mean
from downscaler.ground.grid import M09, M36, Domain, Span, Window
from downscaler.method.coarse_prior import coarse_days, prior_statistics
from downscaler.method.day_of_year import on_days
from downscaler.method.matching import match
from downscaler.method.seasonal import CoarseStatistics, season_of
from downscaler.sources.smap import find_granules, read_day
from downscaler.stores.climatology import (
    describe,
    is_statistics,
    load_statistics,
    save_statistics,
    smap_statistics,
    statistics_record,
)

DAYS = [dt.date(2024, 5, 20) + dt.timedelta(days=i) for i in range(4)]


@pytest.fixture(scope="module")
def made(chain: Any) -> CoarseStatistics:
    return smap_statistics(chain.sample / "granules", chain.domain)


def test_counts_and_means_are_those_of_the_days_read_one_by_one(chain: Any, made: CoarseStatistics) -> None:
    fields, dates = [], []
    for date in DAYS:
        try:
            day = read_day(find_granules(chain.sample / "granules", date), chain.domain, date=date)
        except NoRetrievalError:
            continue
        fields.append(day.data["soil_moisture"].where(day.data["recommended"]).values)
        dates.append(date)
    record = np.stack(fields)
    for season in set(season_of(dates)):
        days = record[season_of(dates) == season]
        np.testing.assert_array_equal(made.count[season], np.isfinite(days).sum(axis=0))
        known = made.count[season] > 0
        np.testing.assert_allclose(made.mean[season][known], np.nanmean(days[:, known], axis=0), atol=1e-6)
        assert made.days[season] == len(days)
    assert made.inputs == len(dates)
    assert made.simulated
    assert made.grid == M09
    assert made.period == (dates[0], dates[-1])


def test_a_bad_granule_is_reported_and_the_others_go_on(chain: Any, tmp_path: Path, made: CoarseStatistics) -> None:
    shutil.copytree(chain.sample / "granules", tmp_path / "g")
    files = sorted((tmp_path / "g").glob("*.h5"))
    sound = next(f for f in files if f.name.split("_")[5] == f"{made.period[0]:%Y%m%d}")  # type: ignore[index]
    sound.write_bytes(sound.read_bytes()[:3000])
    (tmp_path / "g" / "notes.h5").write_text("no granule")
    told: list[tuple[int, int]] = []
    other = smap_statistics(tmp_path / "g", chain.domain, progress=lambda done, total: told.append((done, total)))
    assert f"{sound.name}: GranuleUnreadableError" in other.notes[0]
    assert other.inputs == made.inputs - 1
    assert other.digest != made.digest
    assert told[-1] == (len(files), len(files))
    for file in files:
        file.write_bytes(b"nothing")
    with pytest.raises(GranuleUnreadableError, match="No granule"):
        smap_statistics(tmp_path / "g", chain.domain)


def test_period_product_and_emptiness(chain: Any, tmp_path: Path, made: CoarseStatistics) -> None:
    folder = chain.sample / "granules"
    assert made.period is not None
    first = smap_statistics(folder, chain.domain, period=(made.period[0], made.period[0]))
    assert first.inputs == 1
    assert first.period == (made.period[0], made.period[0])
    with pytest.raises(GranuleMissingError, match="2020-01-01"):
        smap_statistics(folder, chain.domain, period=(dt.date(2020, 1, 1), dt.date(2020, 2, 1)))
    with pytest.raises(GranuleMissingError, match="SPL3SMP "):
        smap_statistics(folder, chain.domain, short_name="SPL3SMP")
    with pytest.raises(ClimatologyError, match="SPL2SMP_E"):
        smap_statistics(folder, chain.domain, short_name="SPL4SMAU")
    with pytest.raises(GranuleMissingError, match="no granules at all"):
        smap_statistics(tmp_path, chain.domain)
    with pytest.raises(GranuleMissingError, match="not found"):
        smap_statistics(tmp_path / "absent", chain.domain)
    sea = Domain(name="sea", title="Sea", m36=Window(rows=Span(start=86, stop=87), columns=Span(start=160, stop=161)))
    with pytest.raises(NoRetrievalError, match="sea"):
        smap_statistics(folder, sea)


def test_the_real_granule_of_2015(shared: Path) -> None:
    from downscaler import product

    real = smap_statistics(shared / "smap", product.LITTLE_WASHITA)
    assert real.grid == M36
    assert not real.simulated
    assert real.days.tolist() == [0, 1, 0, 0]
    assert real.count.sum() == 3  # the domain's edges are snapped outward: one cell more than over the catchment
    assert {0.1784, 0.1954} < {round(float(value), 4) for value in real.mean[1][real.count[1] > 0]}


def test_file_round_trip_whole_or_not_at_all(tmp_path: Path, made: CoarseStatistics) -> None:
    record = save_statistics(made, tmp_path / "sub" / "c.nc")
    back = load_statistics(tmp_path / "sub" / "c.nc")
    for name, value in vars(made).items():
        np.testing.assert_array_equal(getattr(back, name), value)
    assert record == statistics_record(tmp_path / "sub" / "c.nc")
    assert record.kind == "climatology"
    again = save_statistics(made, tmp_path / "again.nc")
    assert (again.sha256, again.attributes) == (record.sha256, record.attributes)
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["c.nc"]
    facts = describe(tmp_path / "sub" / "c.nc")
    assert facts["kind"] == "climatology"
    assert facts["granules"] == made.inputs


def test_numbers_that_no_soil_has_or_that_are_gone_are_refused(tmp_path: Path, made: CoarseStatistics) -> None:
    def changed(name: str, value: object, units: str = "m3 m-3") -> Path:
        file = tmp_path / "c.nc"
        save_statistics(made, file)
        with h5py.File(file, "r+") as opened:
            opened[name][...] = value if not callable(value) else value(opened[name][...])
            opened[name].attrs["units"] = units
        return file

    for name, value, units, told in (
        ("mean", lambda mean: mean * 100, "m3 m-3", "another unit"),
        ("mean", lambda mean: mean, "%", "another unit"),
        ("std", lambda std: -np.abs(std) - 0.01, "m3 m-3", "impossible"),
        ("mean", np.nan, "m3 m-3", "missing where it counts days"),
        ("quantiles", lambda quantiles: quantiles[:, ::-1], "m3 m-3", "fall"),
    ):
        with pytest.raises(ClimatologyError, match=told):
            load_statistics(changed(name, value, units))


def test_files_that_are_none_are_refused(tmp_path: Path, made: CoarseStatistics, shared: Path) -> None:
    file = tmp_path / "c.nc"
    with pytest.raises(ClimatologyError, match="not found"):
        load_statistics(file)
    save_statistics(made, file)
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ClimatologyError, match="truncated"):
        load_statistics(file)
    assert not is_statistics(shared / "parflow" / "upper_verde" / "static.nc")
    with pytest.raises(ClimatologyError, match="folder"):
        save_statistics(made, tmp_path)


@pytest.mark.parametrize("grid", [M09, M36], ids=["M09", "M36"])
def test_prior_statistics_are_those_of_its_block_means(chain: Any, grid: Any) -> None:
    data, ratio = chain.prior.data, 9 * 4 // grid.per_m36
    theta, active = data["soil_moisture"].values.astype(float), data["active"].values.astype(bool)
    twin = block_mean(np.nan_to_num(theta), active, ratio)
    got = prior_statistics(chain.prior, grid)
    spring = season_of(data["time"].values) == 1
    np.testing.assert_allclose(got.mean[1], twin[spring].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(got.std[1], twin[spring].std(axis=0, ddof=1), atol=1e-6)
    assert (got.count[1] == spring.sum()).all()
    assert got.period == chain.prior.period
    assert got.digest == chain.prior.record().sha256


def test_coarse_days_take_the_record_else_the_climatology(chain: Any) -> None:
    dates = [chain.prior.period[1], dt.date(2019, 7, 1)]
    values, known = coarse_days(chain.prior, chain.domain, M09, dates)
    data = chain.prior.data
    active = data["active"].values.astype(bool)
    assert known.tolist() == [True, False]
    usual = on_days(data["soil_moisture_climatology"].values, np.array([182]))[0]
    for got, fine in zip(values, [data["soil_moisture"][-1].values, usual], strict=True):
        np.testing.assert_allclose(got, block_mean(np.nan_to_num(fine), active, 9), atol=1e-6)


def test_smap_and_prior_of_the_sample_match(chain: Any, made: CoarseStatistics) -> None:
    matching = match("mean_std", made, prior_statistics(chain.prior, M09))
    assert not matching.identity
    day = made.mean[1].astype(float)
    np.testing.assert_allclose(matching.back(matching.to_prior(day, DAYS[0]), DAYS[0]), day, atol=1e-12)
