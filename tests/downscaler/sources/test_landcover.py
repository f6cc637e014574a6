"""Masks: shares against counting pixels, another projection, and files that are none."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from pyproj import Transformer
from rasterio.transform import from_origin

from downscaler import product
from downscaler.derived.zones import masked, zone_means, zone_weights
from downscaler.errors import ZoneError
from downscaler.ground.grid import CRS
from downscaler.sources.landcover import read_mask

PLACE = product.domain("-94.75,34.4,-94.7,34.45")  # 36 x 36 cells


def degrees() -> tuple[float, float, float, float]:
    """West, south, east and north of the place."""
    box = PLACE.geobox().extent.boundingbox
    return Transformer.from_crs(CRS, "OGC:CRS84", always_xy=True).transform_bounds(*box.bbox)


def write(path: Path, values: np.ndarray, transform: Affine, crs: str = CRS, nodata: int | None = None) -> Path:
    told = {"driver": "GTiff", "count": 1, "dtype": values.dtype, "crs": crs, "transform": transform, "nodata": nodata}
    with rasterio.open(path, "w", height=values.shape[0], width=values.shape[1], **told) as file:
        file.write(values, 1)
    return path


def test_shares_are_those_of_the_pixels_in_a_cell(tmp_path: Path) -> None:
    box, per = PLACE.geobox(), 5
    fine = box.transform * box.transform.scale(1 / per, 1 / per)
    values = np.random.default_rng(1).integers(0, 4, (36 * per, 36 * per)).astype(np.uint8)
    path = write(tmp_path / "crops.tif", values, fine, nodata=3)
    for classes, counts in (
        ((1,), values == 1),
        ((1, 2), (values == 1) | (values == 2)),
        ((), np.isin(values, (1, 2))),
    ):
        expected = counts.reshape(36, per, 36, per).mean(axis=(1, 3))
        mask = read_mask(path, PLACE, classes)
        np.testing.assert_allclose(mask.share, expected, atol=1e-6)
    assert (mask.told["classes"], len(mask.told["sha256"])) == ([], 64)


def test_what_a_raster_lacks_of_a_cell_does_not_count(tmp_path: Path) -> None:
    box, per = PLACE.geobox(), 20
    corner = box.transform * box.transform.translation(10.5, 20.25) * box.transform.scale(1 / per, 1 / per)
    path = write(tmp_path / "part.tif", np.ones((10 * per, 5 * per), np.uint8), corner)
    expected = np.zeros((36, 36))
    expected[20:31, 10:16] = np.outer([0.75, *[1.0] * 9, 0.25], [0.5, *[1.0] * 4, 0.5])
    np.testing.assert_allclose(read_mask(path, PLACE).share, expected, atol=1e-6)


def test_a_raster_in_degrees_and_one_that_is_coarser(tmp_path: Path) -> None:
    west, south, east, north = degrees()
    step = 0.0005
    rows, columns = int((north - south) / step) + 2, int((east - west) / step) + 2
    half = np.zeros((rows, columns), np.uint8)
    half[:, : columns // 2] = 7
    share = read_mask(
        write(tmp_path / "half.tif", half, from_origin(west, north, step, step), "EPSG:4326"), PLACE
    ).share
    assert share[:, :17].min() == pytest.approx(1.0, abs=1e-5)  # the raster ends where the place does
    assert share[:, 20:].max() == 0.0
    coarse = write(
        tmp_path / "coarse.tif", np.array([[1, 2]], np.uint8), from_origin(west, north, 0.2, 1.0), "EPSG:4326"
    )
    found = read_mask(coarse, PLACE, (1,)).share
    edge = found.sum(axis=1)
    assert set(np.unique(found)) <= {0.0, 1.0}
    assert (edge == edge[0]).all()
    assert 0 < edge[0] < 36


def test_a_mask_takes_weights_away(tmp_path: Path) -> None:
    pytest.importorskip("exactextract", reason="zones need exactextract")
    import shapely

    west, south, east, north = degrees()
    weights = zone_weights([shapely.box(west, south, east, north), shapely.box(west, south, east, north)], PLACE)
    share = np.zeros((36, 36))
    share[3, 4], share[5, 6] = 1.0, 0.5
    field = np.random.default_rng(0).uniform(0.1, 0.4, (36, 36))
    found = masked(weights, share)
    assert found.area[0] == pytest.approx(1.5 * (product.GRID.cell / 1000) ** 2, rel=1e-3)
    mean = zone_means(found, {"x": field})["x"]
    assert mean == pytest.approx((field[3, 4] + 0.5 * field[5, 6]) / 1.5, rel=1e-3)
    field[3, 4] = np.nan
    assert zone_means(found, {"x": field})["x"] == pytest.approx(field[5, 6])
    assert np.isnan(zone_means(masked(weights, np.zeros((36, 36))), {"x": field})["x"]).all()


def test_what_is_no_mask_is_told(tmp_path: Path) -> None:
    with pytest.raises(ZoneError, match="not found"):
        read_mask(tmp_path / "none.tif", PLACE)
    (tmp_path / "bad.tif").write_text("no raster")
    with pytest.raises(ZoneError, match="cannot be read"):
        read_mask(tmp_path / "bad.tif", PLACE)
    far = write(tmp_path / "far.tif", np.ones((4, 4), np.uint8), from_origin(10.0, 50.0, 0.1, 0.1), "EPSG:4326")
    with pytest.raises(ZoneError, match="No such class"):
        read_mask(far, PLACE)


def test_a_mask_that_leads_to_another_file_is_not_followed(tmp_path: Path) -> None:
    west, _, _, north = degrees()
    hidden = write(
        tmp_path / "hidden.tif", np.ones((9, 9), np.uint8), from_origin(west, north, 0.01, 0.01), "EPSG:4326"
    )
    with rasterio.open(hidden) as raster:
        rasterio.shutil.copy(raster, tmp_path / "mask.tif", driver="VRT")
    with pytest.raises(ZoneError, match="cannot be read"):
        read_mask(tmp_path / "mask.tif", PLACE, (1,))
