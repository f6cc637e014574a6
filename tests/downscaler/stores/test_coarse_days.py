"""SMAP's days that are kept for later analyses: as they were, or not at all where they are of another kind."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from downscaler.errors import NoRetrievalError
from downscaler.ground.coarse_day import CoarseDay
from downscaler.product import LITTLE_WASHITA
from downscaler.sources.smap import read_day
from downscaler.stores.coarse_days import packed, unpacked
from downscaler.stores.prior.kept import KeptDays


@pytest.fixture(scope="module")
def day(chain) -> CoarseDay:
    for file in sorted((chain.sample / "granules").glob("*.h5")):
        with suppress(NoRetrievalError):
            return read_day([file], chain.domain)
    raise AssertionError("no granule of the sample has a retrieval")


def test_a_kept_day_is_the_day(day: CoarseDay, chain, tmp_path: Path) -> None:
    shelf = KeptDays(tmp_path)
    shelf.put("day", packed(day))
    arrays = shelf.find("day")
    assert arrays is not None
    again = unpacked(arrays, day.date, chain.domain)
    assert again is not None
    assert (again.date, again.grid, again.domain) == (day.date, day.grid, day.domain)
    assert (again.inputs, again.simulated) == (day.inputs, day.simulated)
    assert set(again.data) == set(day.data)
    for name, field in day.data.items():
        assert again.data[name].dtype == field.dtype
        np.testing.assert_array_equal(again.data[name].values, field.values)
    for axis in ("y", "x"):
        np.testing.assert_allclose(again.data[axis], day.data[axis])


def test_what_is_no_such_day_is_none(day: CoarseDay, chain) -> None:
    whole = packed(day)
    assert unpacked({}, day.date, chain.domain) is None
    assert unpacked({**whole, "told": np.frombuffer(b"{}", np.uint8)}, day.date, chain.domain) is None
    assert unpacked(whole, day.date, LITTLE_WASHITA) is None
    assert unpacked({n: v for n, v in whole.items() if n != "overpass"}, day.date, chain.domain) is None
