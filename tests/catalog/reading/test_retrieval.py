"""The SMAP retrieval read back from a map: the mean of the cells that it bound, never of those carried forward."""

import numpy as np
import pytest

from catalog import publish
from catalog.reading.points import published_days, sample_days
from catalog.reading.retrieval import less_smap, smap_of
from downscaler import product
from downscaler.ground.tiles import Tile
from downscaler.product import Flag

DOMAIN = product.LITTLE_WASHITA


def test_gap_filled_and_empty_cells_are_no_part_of_the_mean():
    theta = np.array([[0.1, 0.3, 0.2, 0.2], [0.5, np.nan, 0.2, 0.2]])
    filled = np.array([[False, False, True, True], [True, False, True, True]])
    np.testing.assert_array_equal(smap_of(theta, filled, 2), [[0.2, np.nan]])
    np.testing.assert_allclose(less_smap(theta, filled, 2)[0, :2], [-0.1, 0.1], atol=1e-7)
    assert np.isnan(less_smap(theta, filled, 2)).sum() == 6


def partly_filled(tile: Tile) -> Tile:
    """A tile of which the left half was carried forward into a gap, at another level than the rest."""
    theta, flag = tile.fields["soil_moisture"].copy(), tile.fields["quality_flag"].copy()
    theta[:, :18] = np.where(np.isnan(theta[:, :18]), np.nan, 0.05)
    flag[:, :18] |= np.uint16(Flag.GAP_FILLED)
    return Tile(window=tile.window, fields={**tile.fields, "soil_moisture": theta, "quality_flag": flag})


def test_a_map_and_a_match_read_the_same_retrieval(tmp_path, record, tiles):
    run = record(DOMAIN)
    run.parameters["smap_grid"] = "M36"
    publish(tmp_path, run, DOMAIN, [partly_filled(tile) for tile in tiles(DOMAIN)])
    (day,) = published_days(tmp_path, DOMAIN)
    shape = DOMAIN.shape()
    at = tuple(axis.ravel() for axis in np.indices((shape.y, shape.x)))
    found = sample_days(tmp_path, DOMAIN, [day], *at)
    theta, flags = (values[:, 0].reshape(shape.y, shape.x) for values in (found.theta, found.flags))
    filled = (flags & int(Flag.GAP_FILLED)) != 0
    assert filled.any()
    seen = np.isfinite(theta) & ~filled
    smap = found.smap[:, 0].reshape(shape.y, shape.x)
    np.testing.assert_allclose((theta - smap)[seen], less_smap(theta, filled, 36)[seen], atol=1e-7)
    assert np.isfinite(smap[:, :18]).any()  # the gap's cells know the retrieval that the rest of their cell has


@pytest.mark.parametrize("ratio", [1, 3])
def test_a_day_without_retrieval_has_none(ratio):
    theta = np.full((3, 3), 0.2)
    assert np.isnan(smap_of(theta, np.ones((3, 3), bool), ratio)).all()
