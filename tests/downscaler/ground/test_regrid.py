import numpy as np
import pytest
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from downscaler.ground.grid import CRS, M36, Domain, LonLat, Span, Window
from downscaler.ground.lattice import CONUS1, CONUS1_CRS, CONUS2, Parent
from downscaler.ground.regrid import overlap, sample_points


def one_cell(lon: float, lat: float) -> Domain:
    cell = M36.cell_at(LonLat(lon=lon, lat=lat))
    window = Window(rows=Span(start=cell.y, stop=cell.y + 1), columns=Span(start=cell.x, stop=cell.x + 1))
    return Domain(name="cell", title="One SMAP cell", m36=window)


DOMAIN = one_cell(-98.1, 34.86)
WHOLE = Window(rows=Span(start=0, stop=36), columns=Span(start=0, stop=36))


def around(domain: Domain, parent: Parent = CONUS1, margin: int = 30):
    """A cut of the parent that holds the domain with room to spare."""
    box = domain.geobox().boundingbox
    to = Transformer.from_crs(CRS, parent.crs, always_xy=True)
    x, y = to.transform((box.left + box.right) / 2, (box.bottom + box.top) / 2)
    corner = parent.registrations["hydrodata"]
    i, j = int((x - corner.x) // 1000), int((y - corner.y) // 1000)
    return parent.cut((i - margin, j - margin, i + margin, j + margin), "hydrodata")


LATTICE = around(DOMAIN)


def share_of(domain=DOMAIN, lattice=LATTICE, window=WHOLE, **more):
    share = overlap(lattice, domain, window, **more)
    assert share is not None
    return share


@settings(max_examples=examples(20))
@given(value=st.floats(-5, 5), parent=st.sampled_from([CONUS1, CONUS2]), lon=st.floats(-115, -80))
def test_a_constant_stays_constant_everywhere_on_the_lattice(value, parent, lon):
    domain = one_cell(lon, 38.0)
    share = share_of(domain, around(domain, parent))
    np.testing.assert_allclose(share.mean(np.full(share.source.shape, value)), np.float32(value), rtol=1e-6)


@settings(max_examples=examples(10))
@given(seed=st.integers(0, 10**6))
def test_the_mean_over_the_domain_is_kept(seed):
    """Against shares of area from ten times as many samples."""
    share = share_of()
    values = np.random.default_rng(seed).normal(0.25, 0.1, share.source.shape)
    fine = share_of(fibonacci=(1597, 987))
    weights = np.asarray(fine.matrix.sum(axis=0)).reshape(share.source.shape)
    expected = (values * weights).sum() / weights.sum()
    assert share.mean(values).mean() == pytest.approx(expected, abs=2e-4)


def test_weights_against_a_slow_twin_that_projects_every_sample():
    share = share_of(fibonacci=(13, 8))
    box, inverse = DOMAIN.geobox(), Transformer.from_crs(CRS, CONUS1_CRS, always_xy=True)
    a = box.affine
    for row, column in ((0, 0), (17, 5), (35, 35)):
        expected = np.zeros(share.source.shape)
        for right, down in zip(*sample_points((13, 8)), strict=True):
            x, y = inverse.transform(a.c + (column + right) * a.a, a.f + (row + down) * a.e)
            i = int((x - LATTICE.lower_left.x) // 1000) - share.source.i.start
            j = int((y - LATTICE.lower_left.y) // 1000) - share.source.j.start
            expected[j, i] += 1 / 13
        got = np.asarray(share.matrix[row * 36 + column].todense()).reshape(share.source.shape)
        np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("edge", [0.05, 0.33, 0.5, 0.77])
@pytest.mark.parametrize("slope", [0.0, 0.05, -0.1, 0.33])
def test_samples_measure_areas(edge, slope):
    """The area of a cell left of a slanting edge, known by geometry, comes out to 1.5 %."""
    right, down = sample_points()
    y = np.linspace(0, 1, 10001)
    area = np.clip(edge + slope * (y - 0.5), 0, 1).mean()
    assert (right < edge + slope * (down - 0.5)).mean() == pytest.approx(area, abs=0.015)
    assert (down < edge + slope * (right - 0.5)).mean() == pytest.approx(area, abs=0.015)


def test_a_marker_in_the_north_east_lands_in_the_north_east():
    share = share_of()
    corner = DOMAIN.geobox().affine
    to = Transformer.from_crs(CRS, CONUS1_CRS, always_xy=True)
    x, y = to.transform(corner.c + 33.5 * corner.a, corner.f + 1.5 * corner.e)  # row 1, column 33
    values = np.zeros((LATTICE.shape.y, LATTICE.shape.x))
    values[int((y - LATTICE.lower_left.y) // 1000), int((x - LATTICE.lower_left.x) // 1000)] = 1.0
    found = share.mean(values[share.source.slices])
    peak = np.unravel_index(found.argmax(), found.shape)
    assert abs(peak[0] - 1) <= 1
    assert abs(peak[1] - 33) <= 1


def test_missing_cells_neither_pull_nor_spread():
    share = share_of()
    values = np.full((2, *share.source.shape), 0.3)
    values[:, : share.source.shape[0] // 2] = np.nan
    values[1, :, : share.source.shape[1] // 2] = np.nan
    found = share.mean(values)
    np.testing.assert_allclose(found[np.isfinite(found)], 0.3, rtol=1e-6)
    assert np.isfinite(found[0, :10]).all()
    assert np.isnan(found[0, -10:]).all()
    assert np.isnan(found[1, :10, :10]).all()
    one_by_one = np.stack([share.mean(day) for day in values])
    np.testing.assert_array_equal(found, one_by_one)


def test_classes_come_by_the_largest_area_and_missing_cells_do_not_vote():
    share = share_of()
    classes = np.random.default_rng(5).integers(-1, 4, share.source.shape)
    found = share.mode(classes)
    flat = classes.ravel()
    for row in range(0, 36, 7):
        for column in range(0, 36, 7):
            weights = np.asarray(share.matrix[row * 36 + column].todense()).ravel()
            votes = [weights[flat == c].sum() for c in range(4)]
            expected = int(np.argmax(votes)) if max(votes) > 0 else -1
            assert votes[found[row, column]] == votes[expected] if expected >= 0 else found[row, column] == -1


def test_tiles_agree_with_the_whole():
    whole = share_of()
    values = np.random.default_rng(1).normal(size=(LATTICE.shape.y, LATTICE.shape.x))
    part = Window(rows=Span(start=9, stop=20), columns=Span(start=5, stop=30))
    share = share_of(window=part)
    np.testing.assert_allclose(
        share.mean(values[share.source.slices]), whole.mean(values[whole.source.slices])[9:20, 5:30], rtol=1e-6
    )


def test_a_lattice_elsewhere_has_no_overlap():
    assert overlap(around(one_cell(-80.0, 38.0)), DOMAIN, WHOLE) is None
