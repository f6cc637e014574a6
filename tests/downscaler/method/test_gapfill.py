"""Carrying retrievals forward: exact answers, a known process found again, and the interval's coverage by age."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from downscaler.errors import ClimatologyError, TrainingError
from downscaler.ground.blocks import block_mean
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import M09, Domain, Span, Window
from downscaler.method.gapfill import Decay, departures, empty_day, fill, fit_decay
from downscaler.method.matching import match
from downscaler.method.seasonal import CoarseStatistics
from downscaler.product import UPPER_VERDE
from downscaler.sources.parflow import open_source
from downscaler.stores.prior import build_prior

DOMAIN = Domain(name="t", title="T", m36=Window(rows=Span(start=86, stop=87), columns=Span(start=218, stop=219)))
SHAPE = (4, 4)
START = dt.date(2024, 5, 1)
DECAY = Decay(rate=0.9, prior_error=0.05, observation_error=0.04)
Z90 = 1.6448536269514722


def day(number: int, values: Any, seen: Any, domain: Domain = DOMAIN, surface: int = 0) -> CoarseDay:
    """A day on which SMAP saw ``values`` where ``seen``, at 12:00."""
    made = empty_day(START + dt.timedelta(days=number), domain, M09)
    moment = np.datetime64(made.date).astype("datetime64[s]") + np.timedelta64(12, "h")
    fields = {
        "soil_moisture": np.where(seen, values, np.nan),
        "recommended": np.asarray(seen, bool),
        "retrieval_qual_flag": np.where(seen, 0, 65534).astype(np.uint16),
        "surface_flag": np.where(seen, surface, 0).astype(np.uint16),
        "observation_time": np.where(seen, moment, np.datetime64("NaT")).astype("datetime64[s]"),
        "overpass": np.where(seen, 1, 0).astype(np.int8),
    }
    return replace(made, data=made.data.assign({name: (("y", "x"), field) for name, field in fields.items()}))


def everywhere(value: float) -> Any:
    return np.full(SHAPE, value), np.ones(SHAPE, bool)


def test_values_spread_age_and_time_of_a_carried_retrieval() -> None:
    days = [day(0, *everywhere(0.30)), empty_day(START + dt.timedelta(days=3), DOMAIN, M09)]
    prior = np.stack([np.full(SHAPE, 0.20), np.full(SHAPE, 0.25)])
    made = fill(days, prior, DECAY)
    weight = 0.9**3
    np.testing.assert_allclose(made["soil_moisture"], 0.25 + weight * 0.10)
    spread = np.sqrt(0.04**2 * weight**2 + 0.05**2 * (1 - weight**2))
    np.testing.assert_allclose(made["soil_moisture_error"], spread)
    assert (made["age_days"] == 3).all()
    assert made["filled"].all()
    assert not made["recommended"].any()
    assert (made["observation_time"] == np.datetime64("2024-05-01T12:00:00")).all()


def test_what_was_seen_today_is_kept_and_the_newest_retrieval_is_carried() -> None:
    west = np.zeros(SHAPE, bool)
    west[:, :2] = True
    days = [day(0, *everywhere(0.1)), day(2, *everywhere(0.2)), day(3, np.full(SHAPE, 0.3), west)]
    made = fill(days, np.full((3, *SHAPE), 0.2), DECAY)
    assert (made["soil_moisture"].values[west] == 0.3).all()
    assert (made["age_days"].values == np.where(west, 0, 1)).all()
    np.testing.assert_allclose(made["soil_moisture"].values[~west], 0.2)
    assert np.array_equal(made["filled"].values, ~west)
    assert np.array_equal(made["recommended"].values, west)


def test_too_old_without_prior_frozen_or_not_recommended_is_not_filled() -> None:
    late = [day(0, *everywhere(0.3)), empty_day(START + dt.timedelta(days=11), DOMAIN, M09)]
    prior = np.full((2, *SHAPE), 0.2)
    made = fill(late, prior, DECAY)
    assert not made["filled"].any()
    assert made["soil_moisture"].isnull().all()
    assert (made["age_days"] == -1).all()
    soon = [day(0, *everywhere(0.3)), empty_day(START + dt.timedelta(days=10), DOMAIN, M09)]
    prior[:, 0, 0] = np.nan
    made = fill(soon, prior, DECAY)
    assert np.argwhere(~made["filled"].values).tolist() == [[0, 0]]
    frozen = day(1, *everywhere(0.3), surface=1 << 7)
    frozen = replace(frozen, data=frozen.data.assign(recommended=(("y", "x"), np.zeros(SHAPE, bool))))
    made = fill([soon[0], frozen], prior, DECAY)
    assert not made["filled"].any()
    unsure = [frozen, empty_day(START + dt.timedelta(days=2), DOMAIN, M09)]
    assert not fill(unsure, prior, DECAY)["filled"].any()


def test_the_granules_own_error_counts_and_values_stay_physical() -> None:
    seen = day(0, *everywhere(0.02))
    own = seen.data["soil_moisture_error"].copy(data=np.full(SHAPE, 0.01))
    days = [replace(seen, data=seen.data.assign(soil_moisture_error=own)), day(1, 0.0, np.zeros(SHAPE, bool))]
    prior = np.stack([np.full(SHAPE, 0.3), np.full(SHAPE, 0.05)])
    made = fill(days, prior, DECAY)
    np.testing.assert_allclose(made["soil_moisture_error"], DECAY.spread(1, 0.01))
    assert (made["soil_moisture"] == 0.0).all()


def test_in_smaps_own_climatology_by_a_matching() -> None:
    """SMAP is twice as variable as the prior and 0.1 wetter: a filled day equals the unmatched one, carried over."""
    rng = np.random.default_rng(0)
    dates = np.arange("2020-01-01", "2024-01-01", dtype="datetime64[D]")
    record = 0.2 + 0.05 * rng.standard_normal((len(dates), *SHAPE))
    target = CoarseStatistics.from_record(record, dates, M09, DOMAIN, "prior")
    source = CoarseStatistics.from_record(0.3 + 2.0 * (record - 0.2), dates, M09, DOMAIN, "SMAP")
    matching = match("mean_std", source, target, minimum=1e-6)
    gap = empty_day(START + dt.timedelta(days=2), DOMAIN, M09)
    prior = np.stack([np.full(SHAPE, 0.22), np.full(SHAPE, 0.18)])
    made = fill([day(0, *everywhere(0.40)), gap], prior, DECAY, matching=matching)
    plain = fill([day(0, *everywhere(0.25)), gap], prior, replace(DECAY, observation_error=0.02))
    np.testing.assert_allclose(made["soil_moisture"], 0.3 + 2.0 * (plain["soil_moisture"] - 0.2), atol=1e-5)
    np.testing.assert_allclose(made["soil_moisture_error"], 2.0 * plain["soil_moisture_error"], rtol=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    first, second = day(0, *everywhere(0.3)), day(1, *everywhere(0.3))
    prior = np.full((2, *SHAPE), 0.2)
    with pytest.raises(ClimatologyError, match="oldest first"):
        fill([second, first], prior, DECAY)
    with pytest.raises(ClimatologyError, match="block means"):
        fill([first, second], prior[:1], DECAY)
    with pytest.raises(ClimatologyError, match="No day"):
        fill([], prior, DECAY)
    other = replace(DOMAIN, m36=Window(rows=Span(start=90, stop=91), columns=Span(start=218, stop=219)))
    with pytest.raises(ClimatologyError, match="different"):
        fill([day(0, *everywhere(0.3), domain=other), second], prior, DECAY)
    with pytest.raises(TrainingError, match="pairs"):
        fit_decay(np.full((30, 5), np.nan))


def autoregressive(rate: float, error: float, shape: tuple[int, int], seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    series = np.empty(shape)
    series[0] = error * rng.standard_normal(shape[1])
    for i in range(1, shape[0]):
        series[i] = rate * series[i - 1] + error * np.sqrt(1 - rate**2) * rng.standard_normal(shape[1])
    return series


def swath_mask(shape: tuple[int, int], seed: int) -> Any:
    """True when SMAP sees a cell: every two or three days."""
    rng = np.random.default_rng(seed)
    seen = np.zeros(shape, bool)
    for cell in range(shape[1]):
        days = rng.integers(0, 3) + np.cumsum(rng.integers(2, 4, shape[0] // 2))
        seen[days[days < shape[0]], cell] = True
    return seen


@pytest.mark.parametrize("rate", [0.7, 0.9, 0.96])
@pytest.mark.parametrize("told", [True, False])
def test_a_known_process_is_found_again_through_gaps_and_noise(rate: float, told: bool) -> None:
    series = autoregressive(rate, 0.05, (2000, 40))
    noisy = series + 0.04 * np.random.default_rng(1).standard_normal(series.shape)
    noisy[~swath_mask(series.shape, 2)] = np.nan
    found = fit_decay(noisy, observation_error=0.04 if told else None)
    assert found.rate == pytest.approx(rate, abs=0.02)
    assert found.prior_error == pytest.approx(0.05, rel=0.06)
    assert found.observation_error == pytest.approx(0.04, rel=0.06)


def test_spread_grows_with_age_from_the_retrievals_to_the_priors() -> None:
    spread = DECAY.spread(np.arange(0, 60))
    assert (np.diff(spread) > 0).all()
    assert spread[0] == pytest.approx(0.04)
    assert spread[-1] == pytest.approx(0.05, abs=1e-4)


@pytest.fixture(scope="module")
def verde(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Daily coarse values [236, 16, 16] of the genuine Upper Verde run, NaN off it and on the day that it lacks."""
    native = shared / "parflow" / "upper_verde"
    source = open_source("netcdf", native / "daily.nc", native / "static.nc")
    data = build_prior(source, UPPER_VERDE, tmp_path_factory.mktemp("uv") / "prior").data
    active = data["active"].values.astype(bool)
    means = block_mean(np.nan_to_num(data["soil_moisture"].values.astype(np.float64)), active, 9)
    land = block_mean(active.astype(float), np.ones_like(active), 9) > 0.3
    position = (data["time"].values - data["time"].values[0]) // np.timedelta64(1, "D")
    series = np.full((int(position[-1]) + 1, *land.shape), np.nan)
    series[position] = np.where(land, means, np.nan)
    return series


def known_days(days: int, number: int = 5) -> Iterator[tuple[Any, Any]]:
    """Contiguous stretches held out in turn: mask of what may be known, and the held-out days."""
    for held in np.array_split(np.arange(days), number):
        known = np.ones(days, bool)
        known[held] = False
        yield known, held


def priors(truth: Any, known: Any, kind: str) -> Any:
    """What stands for the prior [time, ...]: the mean of the known days, or a run of the day with its own errors."""
    with np.errstate(invalid="ignore"):
        level = np.nansum(truth[known], axis=0) / np.isfinite(truth[known]).sum(axis=0)
    if kind == "climatology":
        return np.broadcast_to(level, truth.shape)
    wrong = autoregressive(0.93, 0.015, (len(truth), level.size), seed=5).reshape(truth.shape)
    return level + 0.6 * (truth - level) + wrong


@pytest.mark.parametrize("noise", [0.02, 0.04])
@pytest.mark.parametrize("kind", ["climatology", "day"])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_interval_of_filled_values_holds_ninety_percent_at_each_age(verde: Any, noise: float, kind: str) -> None:
    """Prior and decay from four fifths of the record as SMAP would see it; filled and judged on the fifth left."""
    rng = np.random.default_rng(3)
    seen = swath_mask((len(verde), verde[0].size), 4).reshape(verde.shape)
    hits: dict[int, list[Any]] = {age: [] for age in range(1, 6)}
    for known, held in known_days(len(verde)):
        prior = priors(verde, known, kind)
        smap = np.where(seen, verde + noise * rng.standard_normal(verde.shape), np.nan)
        record = np.where(known[:, None, None], smap, np.nan)
        anomalies = departures(record) if kind == "climatology" else record - prior
        decay = fit_decay(anomalies, observation_error=noise)
        cases = [(age, int(first)) for age in hits for first in held[:-age:2]]
        for age, start in cases:
            today = empty_day(START + dt.timedelta(days=start + age), UPPER_VERDE, M09)
            retrieved = day(start, smap[start], np.isfinite(smap[start]), UPPER_VERDE)
            made = fill([retrieved, today], prior[[start, start + age]], decay)
            error = np.abs(made["soil_moisture"].values - verde[start + age]) / made["soil_moisture_error"].values
            hits[age].append(error[np.isfinite(error)] <= Z90)
    coverage = {age: float(np.concatenate(found).mean()) for age, found in hits.items()}
    assert all(0.88 <= share <= 0.92 for share in coverage.values()), coverage


@pytest.mark.parametrize(("noise", "least"), [(0.04, 0.88), (0.02, 0.87)])
def test_interval_with_the_noise_estimated_too(verde: Any, noise: float, least: float) -> None:
    """Seen every two or three days, noise and storms of a day cannot be told apart: a low noise is overestimated."""
    rng = np.random.default_rng(3)
    land = verde[:, np.isfinite(verde[0])]
    seen = swath_mask(land.shape, 4)
    hits: dict[int, list[Any]] = {age: [] for age in range(1, 6)}
    for known, held in known_days(len(land)):
        smap = np.where(seen, land + noise * rng.standard_normal(land.shape), np.nan)
        decay = fit_decay(departures(np.where(known[:, None], smap, np.nan)))
        level = priors(land, known, "climatology")
        for age, found in hits.items():
            carried = (level + decay.weight(age) * (smap - level))[held[:-age]]
            error = carried - land[held[age:]]
            found.append(np.abs(error[np.isfinite(error)]) <= Z90 * decay.spread(age))
    coverage = {age: float(np.concatenate(found).mean()) for age, found in hits.items()}
    assert all(least <= share <= 0.92 for share in coverage.values()), coverage
