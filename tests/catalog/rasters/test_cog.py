"""The rasters: valid for rio-cogeo, true to what came in, the same bytes again, and no memory that grows."""

import datetime as dt
import itertools
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from catalog.rasters.cog import build_rasters, file_tags
from downscaler import product
from downscaler.errors import CatalogError
from downscaler.ground.grid import Domain, Span, Window
from downscaler.ground.tiles import Tile

RIO = Path(sys.executable).with_name("rio")
ONE_M36 = Domain(
    name="one", title="One cell", m36=Window(rows=Span(start=90, stop=91), columns=Span(start=200, stop=201))
)
WIDE = Domain(name="wide", title="Wide", m36=Window(rows=Span(start=90, stop=100), columns=Span(start=200, stop=219)))


@pytest.fixture
def build(tmp_path, tiles):
    counter = itertools.count()

    def build(domain, parts=None, *, simulated=False):
        folder = tmp_path / f"build{next(counter)}"
        folder.mkdir()
        tags = file_tags(dt.date(2015, 4, 1), simulated=simulated, caveats=("A caveat.",))
        parts = tiles(domain) if parts is None else parts
        return build_rasters(folder, domain, parts, tags, variables=product.VARIABLES)

    return build


@pytest.mark.parametrize("domain", [ONE_M36, WIDE, product.LITTLE_WASHITA], ids=lambda d: d.name)
def test_every_raster_passes_the_reference_validator(build, domain):
    for raster in build(domain).values():
        assert cog_validate(raster.path, strict=True, quiet=True) == (True, [], [])


def test_the_validators_own_command_agrees(build):
    path = build(WIDE)["soil_moisture"].path
    done = subprocess.run([RIO, "cogeo", "validate", "--strict", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is a valid cloud optimized GeoTIFF" in done.stdout


def test_rasters_are_tiled_with_overviews_and_say_what_they_hold(build):
    for name, raster in build(WIDE, simulated=True).items():
        variable = product.variable(name)
        with rasterio.open(raster.path) as file:
            assert (file.height, file.width) == (360, 684)
            assert file.block_shapes == [(512, 512)]
            assert file.overviews(1) == [2, 4, 8]
            assert file.crs.to_epsg() == 6933
            assert file.transform.almost_equals(WIDE.geobox().transform)
            assert file.dtypes == (variable.dtype,)
            assert file.nodata == variable.nodata or (np.isnan(file.nodata) and np.isnan(variable.nodata))
            assert file.units == (variable.units,)
            assert file.descriptions == (variable.name,)
            assert (file.scales, file.offsets) == ((1.0,), (0.0,))
            assert file.tags()["SIMULATED"] == product.SIMULATED_LABEL
            assert file.tags()["caveats"].startswith("A caveat.")
            assert file.tags().get("standard_name") == variable.standard_name


def test_block_means_in_the_file_are_kept_within_half_the_precision(build, field):
    with rasterio.open(build(WIDE)["soil_moisture"].path) as file:
        stored = file.read(1).astype(np.float64)
    truth = field(WIDE)
    assert np.array_equal(np.isnan(stored), np.isnan(truth))
    half = product.SOIL_MOISTURE.precision / 2
    assert np.nanmax(np.abs(stored - truth)) <= half
    for cell in (9, 36):
        blocks = [f.reshape(360 // cell, cell, 684 // cell, cell).swapaxes(1, 2) for f in (stored, truth)]
        means = [b.reshape(*b.shape[:2], -1) for b in blocks]
        means = [m.mean(axis=-1) for m in means]
        assert np.nanmax(np.abs(means[0] - means[1])) <= half


def test_overviews_are_means_of_what_is_there_and_never_mix_in_nodata(build, field):
    with rasterio.open(build(WIDE)["soil_moisture"].path) as file:
        coarse = file.read(1, out_shape=(180, 342))
    quads = field(WIDE).reshape(180, 2, 342, 2)
    twin = np.nanmean(np.where(np.isnan(quads).all(axis=(1, 3), keepdims=True), -1, quads), axis=(1, 3))
    assert np.array_equal(np.isnan(coarse), twin == -1)
    assert np.nanmax(np.abs(np.where(np.isnan(coarse), twin, coarse) - twin)) <= 1e-4


def test_the_same_day_makes_the_same_bytes(build):
    first, second = build(product.LITTLE_WASHITA), build(product.LITTLE_WASHITA)
    for name in first:
        assert first[name].path.read_bytes() == second[name].path.read_bytes()


def test_the_order_and_size_of_tiles_do_not_matter(build, tiles):
    whole = build(WIDE)
    parts = list(tiles(WIDE, size=3))
    shuffled = build(WIDE, reversed(parts))
    for name in whole:
        with rasterio.open(whole[name].path) as a, rasterio.open(shuffled[name].path) as b:
            assert np.array_equal(a.read(1), b.read(1), equal_nan=True)


def test_tiles_must_cover_the_domain_exactly_once(build, tiles):
    parts = list(tiles(WIDE))
    with pytest.raises(CatalogError, match="do not cover the domain"):
        build(WIDE, parts[:-1])
    with pytest.raises(CatalogError, match="outside the domain or overlaps"):
        build(WIDE, [*parts, parts[0]])
    with pytest.raises(CatalogError, match="outside the domain or overlaps"):
        build(ONE_M36, parts)


def test_a_tile_without_a_variable_or_of_another_shape_is_refused(build, tiles):
    (tile,) = tiles(ONE_M36)
    lacking = {name: values for name, values in tile.fields.items() if name != "upper"}
    with pytest.raises(CatalogError, match="upper is missing"):
        build(ONE_M36, [Tile(window=tile.window, fields=lacking)])
    with pytest.raises(CatalogError, match="lower is missing or of another shape"):
        build(ONE_M36, [Tile(window=tile.window, fields={**tile.fields, "lower": np.zeros((3, 3))})])


PEAK = textwrap.dedent("""
    import resource, sys, tempfile
    from pathlib import Path
    import numpy as np
    from catalog.rasters.cog import build_rasters
    from downscaler import product
    from downscaler.ground.tiles import Tile

    domain = product.DOMAINS[sys.argv[1]]

    def tiles():
        for window in domain.blocks():
            row = np.linspace(0.1, 0.4, len(window.columns))
            yield Tile(window=window, fields={"soil_moisture": np.tile(row, (len(window.rows), 1))})

    with tempfile.TemporaryDirectory() as folder:
        build_rasters(Path(folder), domain, tiles(), {}, variables=(product.SOIL_MOISTURE,))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
""")


def test_memory_does_not_grow_with_the_domain():
    """CONUS has 446 times the cells of the demo window: a float32 array of it is 58 MB, as float64 116 MB."""
    peak = {}
    for name in ("demo", "conus"):
        done = subprocess.run([sys.executable, "-c", PEAK, name], capture_output=True, text=True, check=True)
        peak[name] = int(done.stdout)
    assert peak["conus"] - peak["demo"] < 100, peak
