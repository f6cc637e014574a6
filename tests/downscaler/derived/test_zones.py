"""Area weights against analytic polygons, statistics against slow twins."""

import math

import numpy as np
import pytest
import shapely
from pyproj import Transformer
from scipy.integrate import quad

from downscaler import product
from downscaler.derived.zones import SpatialErrors, ZoneWeights, zone_statistics, zone_weights
from downscaler.ground.grid import CRS, M01, M36

PLACE = product.LITTLE_WASHITA
pytest.importorskip("exactextract", reason="zones need exactextract")
TO_EASE = Transformer.from_crs("OGC:CRS84", CRS, always_xy=True)
BOX = PLACE.geobox().extent.boundingbox
SHAPE = (PLACE.shape().y, PLACE.shape().x)


def overlap(low: float, high: float, count: int, start: float, step: float) -> np.ndarray:
    """Share of each of ``count`` steps from ``start`` on that lies between low and high."""
    edges = start + step * np.arange(count + 1)
    first, last = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
    return np.clip(np.minimum(last, high) - np.maximum(first, low), 0.0, None) / abs(step)


def test_a_box_in_degrees_covers_what_arithmetic_says() -> None:
    west, south, east, north = -98.3, 34.7, -98.05, 34.95
    weights = zone_weights([shapely.box(west, south, east, north)], PLACE)
    (left, right), (bottom, top) = TO_EASE.transform([west, east], [south, north])
    columns = overlap(left, right, SHAPE[1], BOX.left, M01.cell)
    rows = overlap(bottom, top, SHAPE[0], BOX.top, -M01.cell)
    np.testing.assert_allclose(weights.matrix.toarray()[0].reshape(SHAPE), np.outer(rows, columns), atol=2e-6)
    assert weights.area[0] == pytest.approx((right - left) * (top - bottom) / 1e6)


def test_a_triangle_has_the_area_of_its_integral() -> None:
    """Base along a parallel; the width falls straight with latitude, a strip's height is the grid's."""
    west, east, south, north = -98.3, -98.0, 34.7, 35.0
    weights = zone_weights([shapely.Polygon([(west, south), (east, south), (west, north)])], PLACE)

    def strip(lat: float) -> float:
        width = (east - west) * (north - lat) / (north - south)
        step = 1e-5
        rise = (TO_EASE.transform(0, lat + step)[1] - TO_EASE.transform(0, lat - step)[1]) / (2 * step)
        return width * TO_EASE.transform(1, 0)[0] * rise / 1e6

    area = quad(strip, south, north)[0]
    covered = weights.matrix.sum() * (M01.cell / 1000) ** 2
    assert covered == pytest.approx(area, rel=2e-5)
    assert weights.area[0] == pytest.approx(area, rel=2e-5)


def test_polygons_that_part_the_ground_part_every_cell() -> None:
    rng = np.random.default_rng(4)
    outline = shapely.box(-98.6, 34.4, -97.7, 35.3)  # beyond the domain on all sides
    seeds = shapely.MultiPoint(rng.uniform((-98.4, 34.6), (-97.9, 35.1), (12, 2)))
    cells = shapely.voronoi_polygons(seeds, extend_to=outline)
    weights = zone_weights([shapely.intersection(cell, outline) for cell in cells.geoms], PLACE)
    np.testing.assert_allclose(np.asarray(weights.matrix.sum(axis=0)).ravel(), 1.0, atol=1e-5)


def slow(shares, theta, sigma, errors):
    """One zone's statistics by the definition, pair by pair."""
    cells = [place for place in np.ndindex(theta.shape) if shares[place] > 0 and np.isfinite(theta[place])]
    total = sum(shares[place] for place in cells)
    weight = {place: shares[place] / total for place in cells}
    mean = sum(weight[place] * theta[place] for place in cells)
    spread = math.sqrt(sum(weight[place] * (theta[place] - mean) ** 2 for place in cells))

    def rho(a, b):
        if a == b:
            return 1.0
        apart = math.dist((a[0] // 36, a[1] // 36), (b[0] // 36, b[1] // 36)) * M36.cell / 1000
        return errors.common * math.exp(-apart / errors.reach)

    variance = sum(weight[a] * weight[b] * sigma[a] * sigma[b] * rho(a, b) for a in cells for b in cells)
    return mean, spread, math.sqrt(variance), total


def test_statistics_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(6)
    errors = SpatialErrors(common=0.4, reach=50.0)
    zones = [shapely.Point(-98.1, 34.83).buffer(0.05), shapely.box(-98.14, 34.8, -98.06, 34.9), shapely.box(0, 0, 1, 1)]
    weights = zone_weights(zones, PLACE)
    theta, sigma = rng.uniform(0.1, 0.4, SHAPE), rng.uniform(0.01, 0.06, SHAPE)
    theta[rng.random(SHAPE) < 0.3] = np.nan
    found = zone_statistics(weights, theta, np.where(np.isnan(theta), np.nan, sigma), errors)
    for number in range(2):
        shares = weights.matrix.toarray()[number].reshape(SHAPE)
        mean, spread, error, total = slow(shares, theta, sigma, errors)
        assert found["mean"][number] == pytest.approx(mean)
        assert found["spread"][number] == pytest.approx(spread)
        assert found["uncertainty"][number] == pytest.approx(error)
        assert found["cover"][number] == pytest.approx(total * (M01.cell / 1000) ** 2 / weights.area[number])
    assert np.isnan(found["mean"][2])
    assert np.isnan(found["upper"][2])
    assert found["cover"][2] == 0.0


def test_the_stated_uncertainty_is_the_error_that_is_met() -> None:
    rng, errors = np.random.default_rng(8), SpatialErrors(common=0.5, reach=60.0)
    weights: ZoneWeights = zone_weights([shapely.box(-98.3, 34.7, -97.9, 35.0)], PLACE)
    centres = np.array([(row, column) for row in range(2) for column in range(2)]) * M36.cell / 1000
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    chol, met = np.linalg.cholesky(np.exp(-apart / 60.0)), []
    for _ in range(400):
        common = np.kron((chol @ rng.standard_normal(4)).reshape(2, 2), np.ones((36, 36)))
        noise = 0.04 * (math.sqrt(0.5) * common + math.sqrt(0.5) * rng.standard_normal(SHAPE))
        made = zone_statistics(weights, 0.25 + noise, np.full(SHAPE, 0.04), errors)
        met.append(made["mean"][0] - 0.25)
    assert np.std(met) == pytest.approx(made["uncertainty"][0], rel=0.1)


def test_no_correlation_outside_its_range() -> None:
    with pytest.raises(ValueError, match="common"):
        SpatialErrors(common=2.0, reach=1.0)
