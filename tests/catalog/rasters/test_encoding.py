"""Bit-rounding, encoding and running statistics against slow, obvious twins."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from catalog.rasters.encoding import Statistics, bit_round, encode, quantum
from downscaler import product
from downscaler.errors import CatalogError
from downscaler.product import Flag

theta = st.floats(0.0, 1.0, allow_nan=False)


@given(hnp.arrays(np.float64, 40, elements=theta), st.sampled_from([1e-2, 1e-3, 1e-4, 5e-5]))
def test_stored_values_stay_within_half_the_precision(values, precision):
    stored = bit_round(values, precision)
    assert stored.dtype == np.float32
    assert np.max(np.abs(stored.astype(np.float64) - values)) <= precision / 2
    assert abs(stored.mean(dtype=np.float64) - values.mean()) <= precision / 2


@given(hnp.arrays(np.float64, 20, elements=theta))
def test_rounding_is_idempotent_and_keeps_order(values):
    stored = bit_round(values, 1e-4)
    assert np.array_equal(bit_round(stored, 1e-4), stored)
    assert np.all(np.diff(bit_round(np.sort(values), 1e-4)) >= 0)


@given(theta)
def test_stored_values_have_zero_trailing_bits(value):
    """A multiple of 2**-14 below 1 needs at most 14 significant bits of the mantissa's 24."""
    bits = int(bit_round(np.array(value), 1e-4).view(np.uint32))
    assert bits & ((1 << 9) - 1) == 0


def test_quantum_is_the_power_of_two_below():
    assert quantum(1e-4) == 2.0**-14
    assert quantum(0.5) == 0.5


@pytest.mark.parametrize("variable", product.VARIABLES, ids=lambda v: v.name)
def test_missing_becomes_the_declared_nodata(variable):
    stored = encode(variable, np.array([np.nan, variable.valid_min, variable.valid_max]))
    assert stored.dtype == variable.dtype
    assert np.isnan(stored[0]) if math.isnan(variable.nodata) else stored[0] == variable.nodata
    assert stored[1:].tolist() == [variable.valid_min, variable.valid_max]


@pytest.mark.parametrize("variable", product.VARIABLES, ids=lambda v: v.name)
def test_a_value_out_of_range_is_refused(variable):
    with pytest.raises(CatalogError, match=f"{variable.name} is outside its valid range.*Allowed"):
        encode(variable, np.array([variable.valid_max + 2]))


@given(hnp.arrays(np.float64, (6, 8), elements=st.one_of(theta, st.just(math.nan))), st.integers(1, 5))
def test_statistics_by_tiles_equal_those_of_the_whole(values, cut):
    stored = encode(product.SOIL_MOISTURE, values)
    running = Statistics(product.SOIL_MOISTURE)
    for part in (stored[:cut], stored[cut:]):
        running.add(part)
    valid = stored[~np.isnan(stored)].astype(np.float64)
    result = running.as_stac()
    assert result["count"] == 48
    assert result["valid_percent"] == pytest.approx(100 * valid.size / 48, abs=1e-4)
    if valid.size == 0:
        assert "mean" not in result
        return
    twin = {"minimum": valid.min(), "maximum": valid.max(), "mean": valid.mean(), "stddev": valid.std()}
    for name, expected in twin.items():
        assert result[name] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_flag_shares_count_every_bit_alone():
    running = Statistics(product.QUALITY_FLAG)
    running.add(np.array([0, 1, 1 | 512, 65535], dtype=np.uint16))
    shares = running.flag_percent()
    assert shares["fill"] == 50.0
    assert shares["clipped"] == 25.0
    assert set(shares) == {flag.name.lower() for flag in Flag}
    assert running.as_stac() == {"count": 4, "valid_percent": 75.0}
