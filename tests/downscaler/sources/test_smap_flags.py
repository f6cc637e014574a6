"""Flags, times and the merge rule: pure functions against slow twins."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from downscaler.sources.smap import composite, flags, times

WORDS = hnp.arrays(np.uint16, 24, elements=st.one_of(st.integers(0, 15), st.just(65534), st.integers(0, 65535)))
VALUES = hnp.arrays(
    np.float32,
    24,
    elements=st.one_of(
        st.just(-9999.0), st.just(float("nan")), st.just(float("inf")), st.floats(-1, 2, width=32, allow_nan=False)
    ),
)


def slow_recommended(word: int, value: float, low: float, high: float) -> bool:
    bits = f"{word:016b}"[::-1]
    if word == 65534 or bits[0] == "1" or bits[1] == "1" or bits[2] == "1":
        return False
    return not math.isnan(value) and value != -9999.0 and low <= value <= high


@given(WORDS, VALUES)
def test_recommended_equals_its_bitwise_twin(words: np.ndarray, raw: np.ndarray) -> None:
    low, high = float(np.float32(0.02)), float(np.float32(0.5))
    fast = flags.recommended(words, flags.masked(raw), valid_min=low, valid_max=high)
    slow = [slow_recommended(int(w), float(v), low, high) for w, v in zip(words, raw, strict=True)]
    assert fast.tolist() == slow


@given(WORDS)
def test_successful_equals_its_bitwise_twin(words: np.ndarray) -> None:
    slow = [w != 65534 and f"{w:016b}"[-2] == "0" and f"{w:016b}"[-3] == "0" for w in words.tolist()]
    assert flags.successful(words).tolist() == slow


def test_fill_passes_a_bit_0_test_but_is_not_recommended() -> None:
    word = np.array([65534], dtype=np.uint16)
    assert word[0] & 1 == 0
    assert not flags.recommended(word, np.array([0.2]), valid_min=0.02, valid_max=0.5)[0]
    assert flags.surface_bits(word)[0] == 0


def test_freeze_thaw_bit_does_not_spoil_a_retrieval() -> None:
    word = np.array([8], dtype=np.uint16)
    assert flags.recommended(word, np.array([0.2]), valid_min=0.02, valid_max=0.5)[0]


def test_valid_minimum_itself_is_valid_in_single_precision() -> None:
    value = flags.masked(np.array([0.02], dtype=np.float32))
    low = float(np.float32(0.02))
    assert flags.recommended(np.zeros(1, np.uint16), value, valid_min=low, valid_max=0.5)[0]


@given(st.integers(1, 1_000_000_000))
def test_seconds_count_from_j2000(count: int) -> None:
    epoch = dt.datetime(2000, 1, 1, 11, 58, 55, 816000, tzinfo=dt.UTC)
    expected = epoch + dt.timedelta(seconds=count)
    got = times.from_seconds(np.array([float(count)]))[0]
    assert got == np.datetime64(expected.replace(microsecond=0, tzinfo=None), "s")


def test_times_that_are_none_become_nat() -> None:
    assert np.isnat(times.from_seconds(np.array([-9999.0, np.nan, 0.0, np.inf]))).all()
    text = np.array([[b"N/A", b""], [b"2015-04-01T00:00:00.441Z", b"-9999"]], dtype="S24")
    got = times.from_text(text)
    assert np.isnat(got).tolist() == [[True, True], [False, True]]
    assert got[1, 0] == np.datetime64("2015-04-01T00:00:00", "s")


def test_solar_hour_runs_with_longitude() -> None:
    noon = np.array([[np.datetime64("2015-04-01T12:00:00", "s")] * 3])
    hours = times.solar_hour(noon, np.array([-90.0, 0.0, 179.0]))
    np.testing.assert_allclose(hours, [[6.0, 12.0, 23.9333333]], atol=1e-6)
    np.testing.assert_allclose(times.hours_from(np.array([23.0, 5.0, 18.0]), 6.0), [7.0, 1.0, 12.0])


def retrievals(values: list[float], quals: list[int], overpass: int, time: str) -> composite.Retrievals:
    value, qual = np.array([values]), np.array([quals], dtype=np.uint16)
    seen = qual != 65534
    return composite.Retrievals(
        soil_moisture=np.where(flags.successful(qual), value, np.nan),
        soil_moisture_error=np.full(value.shape, 0.04),
        recommended=flags.recommended(qual, value, valid_min=0.02, valid_max=0.5),
        retrieval_qual_flag=qual,
        surface_flag=np.full(value.shape, overpass, np.uint16),
        observation_time=np.where(seen, np.datetime64(time, "s"), np.datetime64("NaT", "s")),
        overpass=np.where(seen, overpass, 0).astype(np.int8),
    )


def test_merge_takes_the_better_rank_and_morning_where_alike() -> None:
    #           both good, only PM good, AM poor + PM poor, AM poor alone, PM poor alone, AM failed + PM poor, none
    am = retrievals([0.1, 0.1, 0.1, 0.1, 0.1, 0.9, 0.0], [0, 1, 1, 1, 65534, 5, 65534], composite.AM, "2024-05-20T12")
    pm = retrievals([0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.0], [0, 0, 1, 65534, 1, 1, 65534], composite.PM, "2024-05-20T23")
    merged = composite.merge([(composite.PM, pm), (composite.AM, am)], np.full(7, -95.0))
    assert merged.overpass[0].tolist() == [1, 2, 1, 1, 2, 2, 0]
    np.testing.assert_array_equal(merged.soil_moisture[0], [0.1, 0.3, 0.1, 0.1, 0.3, 0.3, np.nan])
    assert merged.recommended[0].tolist() == [True, True, False, False, False, False, False]
    assert merged.surface_flag[0, :6].tolist() == [1, 2, 1, 1, 2, 2]  # all fields come from the chosen pass


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([0, 1, 5, 7, 65534]), st.floats(0.02, 0.5)), min_size=6, max_size=6),
        min_size=2,
        max_size=2,
    )
)
def test_merge_equals_the_rule_spelt_out(cells: list[list[tuple[int, float]]]) -> None:
    passes = [
        retrievals([v for _, v in row], [q for q, _ in row], code, "2024-05-20T12")
        for code, row in zip((composite.AM, composite.PM), cells, strict=True)
    ]
    merged = composite.merge(list(zip((composite.AM, composite.PM), passes, strict=True)), np.zeros(6))
    for i, (am, pm) in enumerate(zip(*cells, strict=True)):
        good = [v for q, v in (am, pm) if q == 0]
        poor = [v for q, v in (am, pm) if q == 1]
        expected = (good + poor + [math.nan])[0]
        np.testing.assert_equal(merged.soil_moisture[0, i], expected)
        assert bool(merged.recommended[0, i]) == bool(good)


def test_overlapping_orbits_go_to_the_recommended_one_nearest_six() -> None:
    # at 90 W, local solar time is UTC - 6 h: passes at 04:30, 06:20 and 07:40
    early = retrievals([0.1, 0.1, 0.1], [0, 0, 1], composite.AM, "2024-05-20T10:30")
    near = retrievals([0.2, 0.2, 0.2], [0, 1, 1], composite.AM, "2024-05-20T12:20")
    late = retrievals([0.3, 0.3, 0.3], [0, 0, 65534], composite.AM, "2024-05-20T13:40")
    merged = composite.composite_orbits([late, early, near], np.full(3, -90.0), 6.0)
    np.testing.assert_array_equal(merged.soil_moisture[0], [0.2, 0.1, 0.2])
