"""SMAP's climatology against the prior's: exact answers, a slow twin, inverses, shrinkage, seasons without steps."""

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from downscaler.errors import ClimatologyError
from downscaler.ground.grid import M09, M36, Domain, Span, Window
from downscaler.method.matching import MINIMUM, SEASONS, CoarseStatistics, match, quantiles, season_of
from downscaler.method.matching import season_weights as weights_of

DOMAIN = Domain(name="t", title="T", m36=Window(rows=Span(start=86, stop=88), columns=Span(start=218, stop=220)))
SHAPE = (8, 8)  # M09
DAYS = np.arange("2015-01-01", "2021-01-01", dtype="datetime64[D]")
METHODS = ["mean_std", "cdf"]


def statistics(values: Any, days: Any = DAYS, title: str = "record") -> CoarseStatistics:
    return CoarseStatistics.from_record(values, days, M09, DOMAIN, title)


def record(seed: int, level: float, spread: float, days: Any = DAYS) -> Any:
    """Skewed values in (0, 1) with a season and a level of each cell."""
    rng = np.random.default_rng(seed)
    phase = np.cos(2 * np.pi * (days - days[0]).astype(float) / 365.25)[:, None, None]
    cells = level + 0.05 * rng.standard_normal(SHAPE)
    return cells + 0.04 * phase + spread * (rng.gamma(2.0, 0.5, (len(days), *SHAPE)) - 1.0)


def thinned(values: Any, share: float, seed: int = 9) -> Any:
    gaps = np.random.default_rng(seed).random(values.shape) > share
    return np.where(gaps, np.nan, values)


@pytest.mark.parametrize("seed", range(3))
def test_statistics_equal_a_slow_twin(seed: int) -> None:
    days = DAYS[:400:3]
    values = thinned(record(seed, 0.25, 0.05, days), 0.4)
    made = statistics(values, days)
    for season, months in enumerate([(12, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11)]):
        chosen = [i for i, day in enumerate(days) if day.astype(dt.date).month in months]
        for y, x in [(0, 0), (3, 5), (7, 7)]:
            series = [values[i, y, x] for i in chosen if np.isfinite(values[i, y, x])]
            assert made.count[season, y, x] == len(series)
            assert made.mean[season, y, x] == pytest.approx(np.mean(series), abs=1e-6)
            assert made.std[season, y, x] == pytest.approx(np.std(series, ddof=1), abs=1e-6)
            twin = np.quantile(series, made.probabilities, method="median_unbiased")
            np.testing.assert_allclose(made.quantiles[season, :, y, x], twin, atol=1e-6)
    assert made.period == (days[0].item(), days[-1].item())


@given(st.lists(st.one_of(st.just(np.nan), st.floats(0, 1)), max_size=30))
def test_quantiles_as_numpy_has_them(values: list[float]) -> None:
    known = [value for value in values if np.isfinite(value)]
    got = quantiles(np.array(values).reshape(-1, 1), (0.05, 0.5, 0.95))[:, 0]
    if known:
        np.testing.assert_allclose(got, np.quantile(known, (0.05, 0.5, 0.95), method="median_unbiased"), atol=1e-12)
    else:
        assert np.isnan(got).all()


def test_seasons_of_months() -> None:
    days = [dt.date(2024, month, 15) for month in range(1, 13)]
    names = [SEASONS[s] for s in season_of(days)]
    assert names == ["DJF"] * 2 + ["MAM"] * 3 + ["JJA"] * 3 + ["SON"] * 3 + ["DJF"]


@pytest.mark.parametrize("method", METHODS)
def test_a_linear_difference_is_found(method: Any) -> None:
    prior = record(1, 0.25, 0.06)
    smap = 0.08 + 0.7 * prior
    matching = match(method, statistics(smap), statistics(prior), minimum=0.01)
    for day in (100, 700, 1500):
        date = DAYS[day].item()
        np.testing.assert_allclose(matching.to_prior(smap[day], date), prior[day], atol=2e-4)
        np.testing.assert_allclose(matching.scale(date), 0.7, atol=1e-3)
    assert not matching.identity
    assert matching.notes == ()


def test_cdf_follows_a_curved_difference_and_mean_std_cannot() -> None:
    prior = np.clip(record(2, 0.3, 0.08), 0.02, 0.9)
    smap = prior**2
    sources = statistics(smap), statistics(prior)
    errors = {}
    for method in ("mean_std", "cdf"):
        matching = match(method, *sources, minimum=0.01)  # type: ignore[arg-type]
        moved = np.stack([matching.to_prior(smap[i], DAYS[i].item()) for i in range(0, len(DAYS), 50)])
        errors[method] = np.sqrt(np.mean((moved - prior[::50]) ** 2))
    assert errors["cdf"] < 0.6 * errors["mean_std"]


@given(
    values=st.lists(st.floats(-0.5, 1.5), min_size=64, max_size=64),
    date=st.dates(dt.date(2015, 1, 1), dt.date(2030, 12, 31)),
    method=st.sampled_from(METHODS),
    share=st.sampled_from([0.002, 0.01, 0.4]),
)
@settings(max_examples=examples(60))
def test_back_undoes_and_order_is_kept(values: list[float], date: dt.date, method: Any, share: float) -> None:
    matching = _matching(method, share)
    coarse = np.array(values).reshape(SHAPE)
    moved = matching.to_prior(coarse, date)
    np.testing.assert_allclose(matching.back(moved, date), coarse, atol=1e-9)
    wetter = matching.to_prior(coarse + 0.01, date)
    assert (wetter > moved).all()


_MADE: dict[tuple[str, float], Any] = {}


def _matching(method: Any, share: float) -> Any:
    if (method, share) not in _MADE:
        sources = statistics(thinned(record(3, 0.2, 0.05), share)), statistics(record(4, 0.3, 0.08))
        _MADE[method, share] = match(method, *sources)
    return _MADE[method, share]


def test_missing_stays_missing() -> None:
    coarse = np.full(SHAPE, 0.2)
    coarse[2, 3] = np.nan
    for method in METHODS:
        moved = _matching(method, 0.4).to_prior(coarse, dt.date(2020, 5, 5))
        assert np.array_equal(np.isnan(moved), np.isnan(coarse))


@pytest.mark.parametrize("method", METHODS)
def test_no_steps_between_seasons_or_years(method: Any) -> None:
    matching = _matching(method, 0.4)
    coarse = np.full(SHAPE, 0.22)
    days = [dt.date(2019, 11, 1) + dt.timedelta(days=i) for i in range(500)]
    moved = np.stack([matching.to_prior(coarse, day) for day in days])
    year = np.ptp(moved, axis=0)
    assert np.abs(np.diff(moved, axis=0)).max() < 0.05 * year.max()


@pytest.mark.parametrize(("day", "expected"), [((1, 15), 0), ((4, 16), 1), ((7, 17), 2), ((10, 16), 3)])
def test_a_season_holds_alone_in_its_middle(day: tuple[int, int], expected: int) -> None:
    weights = weights_of(dt.date(2023, *day), np.ones(4, bool))
    assert weights.argmax() == expected
    assert weights.max() > 0.98
    assert weights.sum() == pytest.approx(1.0)


def test_a_season_without_data_borrows_from_its_neighbours() -> None:
    prior = record(5, 0.25, 0.05)
    smap = np.where(np.isin(season_of(DAYS), [0, 1, 3])[:, None, None], prior + 0.1, np.nan)
    matching = match("mean_std", statistics(smap), statistics(prior))
    assert matching.known.tolist() == [True, True, False, True]
    assert "JJA" in matching.notes[0]
    np.testing.assert_allclose(
        matching.to_prior(np.full(SHAPE, 0.3), dt.date(2020, 7, 15)), 0.2, atol=0.02
    )  # the offset, less what 20 days of doubt keep


def test_identity_where_nothing_is_known_and_says_so() -> None:
    nothing = statistics(np.full((3, *SHAPE), np.nan), DAYS[:3])
    assert nothing.period is None
    matching = match("cdf", nothing, statistics(record(6, 0.3, 0.05)))
    coarse = np.random.default_rng(0).random(SHAPE)
    assert matching.identity
    assert np.array_equal(matching.to_prior(coarse, dt.date(2020, 1, 1)), coarse)
    assert np.array_equal(matching.back(coarse, dt.date(2020, 1, 1)), coarse)
    assert (matching.scale(dt.date(2020, 1, 1)) == 1).all()
    assert "as they are" in matching.notes[0]


def test_a_cell_without_data_takes_its_neighbourhood_and_one_with_much_keeps_its_own() -> None:
    prior = record(7, 0.25, 0.05)
    smap = prior + 0.05
    smap[:, :, 4:] += 0.10  # another offset in the east
    hidden = smap.copy()
    hidden[:, 4, 1] = np.nan
    hidden[:, 4, 6] = np.nan
    matching = match("mean_std", statistics(hidden), statistics(prior), minimum=5.0)
    date = dt.date(2020, 4, 15)
    offset = np.full(SHAPE, 0.3) - matching.to_prior(np.full(SHAPE, 0.3), date)
    prior_mean = statistics(prior).mean[1]
    at_mean = matching.to_prior(prior_mean + np.where(np.arange(8) < 4, 0.05, 0.15), date) - prior_mean
    assert abs(at_mean[4, 0]) < 0.01
    assert abs(at_mean[4, 7]) < 0.01
    assert offset[4, 6] > offset[4, 1]
    assert matching.confidence[1, 4, 1] == 0
    assert matching.confidence[1, 4, 0] > 0.95
    assert "2 of 64 coarse cells" in matching.notes[0]


def test_shrinkage_beats_own_statistics_where_data_are_few() -> None:
    """Offsets that vary smoothly, six retrievals a season: the transfer leans on the region and is nearer the truth."""
    days = DAYS[: 4 * 365]
    prior = record(8, 0.25, 0.05, days)
    smap = prior + 0.06 + 0.03 * np.random.default_rng(1).standard_normal(prior.shape)
    few = smap.copy()
    rng = np.random.default_rng(2)
    for season in range(4):
        for y, x in np.ndindex(SHAPE):
            chosen = np.flatnonzero(season_of(days) == season)
            few[rng.permutation(chosen)[6:], y, x] = np.nan
    at = [statistics(few, days), statistics(prior, days)]
    errors = []
    for minimum in (1e-6, MINIMUM):
        matching = match("mean_std", *at, minimum=minimum)
        moved = np.stack([matching.to_prior(smap[i], days[i].item()) for i in range(0, len(days), 40)])
        errors.append(np.sqrt(np.mean((moved - prior[::40]) ** 2)))
    assert errors[1] < errors[0]


def test_scale_is_held_within_its_limits() -> None:
    prior = record(10, 0.3, 0.06)
    matching = match("cdf", statistics(0.3 + 0.001 * prior), statistics(prior))
    assert (matching.scale(dt.date(2020, 6, 1)) >= 1 / 3).all()


def test_what_does_not_fit_is_refused() -> None:
    one = statistics(record(11, 0.3, 0.05))
    other = Domain(name="o", title="O", m36=Window(rows=Span(start=87, stop=89), columns=Span(start=218, stop=220)))
    with pytest.raises(ClimatologyError, match="domains"):
        match("cdf", one, replace(one, domain=other))
    with pytest.raises(ClimatologyError, match="mean_std, cdf"):
        match("copula", one, one)  # type: ignore[arg-type]
    with pytest.raises(ClimatologyError, match="M36"):
        replace(one, grid=M36)
    with pytest.raises(ClimatologyError, match="does not cover"):
        one.on(other)
    with pytest.raises(ClimatologyError, match="grid"):
        match("cdf", one, one).to_prior(np.zeros((3, 3)), dt.date(2020, 1, 1))
    part = Domain(name="p", title="P", m36=Window(rows=Span(start=87, stop=88), columns=Span(start=218, stop=219)))
    np.testing.assert_array_equal(one.on(part).quantiles, one.quantiles[:, :, 4:, :4])
