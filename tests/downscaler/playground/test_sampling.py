"""A large domain's playground: cells drawn by a known design, with the predictors and the truth of the whole domain."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from downscaler.errors import ConfigError
from downscaler.ground.grid import Domain, Span, Window
from downscaler.ground.prior import Prior
from downscaler.playground import method as method_module
from downscaler.playground import physics as physics_module
from downscaler.playground.evaluations import score, weighted_score
from downscaler.playground.experiment import Design, fit_physics, run_cell, table
from downscaler.playground.method import Lesson
from downscaler.playground.physics import PhysicsEverywhere, look_of
from downscaler.playground.place import station_key
from downscaler.playground.sampled.frame import frame_of
from downscaler.playground.sampled.gathering import sampled_world
from downscaler.playground.sampled.sampling import along_curve, draw_sample, proportional
from downscaler.playground.sensor import Sensor, look, read_stations
from downscaler.playground.stations.layouts import draw
from downscaler.playground.world import make_world
from downscaler.product import UPPER_VERDE
from downscaler.report.playground import make_report
from downscaler.report.playground_text import Truth
from downscaler.simulation.noise import Stream

from .conftest import CELLS, DAYS, by_slope, prior_data

RATIO = 9
DESIGN = Design(stations=6, replicates=2, curve=(), layouts=("random", "biased"), days=(8, 3))


@pytest.fixture(scope="module")
def prior() -> Prior:
    """Two by two M36 cells with a coast, a lake without elevation, rain and warmth."""
    rng = np.random.default_rng(1)
    data = prior_data(by_slope)
    active = np.ones((CELLS, CELLS), np.uint8)
    active[:20, :31] = active[40:43, 50:55] = 0
    elevation = np.where(active, data["elevation"], np.nan)
    rain = rng.gamma(0.3, 9.0, (DAYS, CELLS, CELLS)).astype(np.float32)
    warmth = (285.0 + rng.normal(0.0, 3.0, (DAYS, CELLS, CELLS))).astype(np.float32)
    daily = ("time", "y", "x")
    data = data.assign(
        active=(("y", "x"), active),
        elevation=(("y", "x"), elevation),
        soil_moisture=data["soil_moisture"].where(xr.DataArray(active > 0, dims=("y", "x"))),
        precipitation=(daily, rain),
        air_temperature=(daily, warmth),
    )
    rows, columns = UPPER_VERDE.m36.rows, UPPER_VERDE.m36.columns
    m36 = Window(
        rows=Span(start=rows.start, stop=rows.start + 2), columns=Span(start=columns.start, stop=columns.start + 2)
    )
    return Prior(path=Path("prior"), data=data, domain=Domain(name="two", title="Two by two", m36=m36), attributes={})


@pytest.fixture(scope="module")
def worlds(prior):
    """A sample, read by tiles of one M36 cell, and all."""
    frame = frame_of(prior, prior.domain, tile=1)
    sampled = sampled_world(prior, prior.domain, frame, DESIGN, 3500, tile=1)
    assert sampled.cells < frame.cells
    return sampled, make_world(prior.data, learning_days=8, judged_days=3)


def test_cells_have_the_truth_and_the_predictors_of_the_whole_domain(worlds):
    sampled, whole = worlds
    number = sampled.sample.number
    assert sampled.cells <= 3500
    assert sampled.sample.total == whole.cells == sampled.domain_cells
    assert (sampled.dates, sampled.static_names, sampled.weather_names) == (
        whole.dates,
        whole.static_names,
        whole.weather_names,
    )
    np.testing.assert_array_equal(sampled.theta, whole.theta[:, number])
    np.testing.assert_allclose(sampled.statics, whole.statics[number], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(sampled.weather, whole.weather[:, number], rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(sampled.xy, whole.xy[number])
    for name, values in whole.siting.items():
        np.testing.assert_array_equal(sampled.siting[name], values[number])


def test_the_sensor_and_the_stations_see_the_same(worlds):
    sampled, whole = worlds
    number, stream = sampled.sample.number, Stream(seed=3, name="test")
    scenes = [look(world, Sensor(), stream) for world in worlds]
    np.testing.assert_array_equal(scenes[0].coarse, scenes[1].coarse)
    np.testing.assert_array_equal(scenes[0].seen, scenes[1].seen[:, number])
    np.testing.assert_allclose(scenes[0].predictors, scenes[1].predictors[:, number], atol=1e-7)
    for layout in DESIGN.layouts:
        drawn = sampled.sample.stations[station_key(layout, 6, 1)]
        same = draw(layout, whole, 6, DESIGN.siting, Stream(seed=0, name="playground/replicate/1"))
        np.testing.assert_array_equal(number[drawn], same)
        one, two = (read_stations(s, at, Sensor(), stream) for s, at in zip(scenes, (drawn, same), strict=True))
        np.testing.assert_array_equal(one.value, two.value)


@pytest.fixture
def small_hybrid(monkeypatch):
    for name, value in {"HYBRID_ROWS": 3000, "HYBRID_TREES": 15, "HYBRID_DAYS": 6, "ELSEWHERE_ROWS": 1000}.items():
        monkeypatch.setattr(physics_module, name, value)
    monkeypatch.setattr(method_module, "TREES", 8)


def test_methods_say_the_same_as_on_the_whole_domain(worlds, small_hybrid):
    sampled, whole = worlds
    number, stream = sampled.sample.number, Stream(seed=3, name="test")
    own, all_of_it = (look(world, Sensor(revisit=False), stream) for world in worlds)
    hybrid = PhysicsEverywhere()
    hybrid.fit(Lesson(scene=all_of_it))
    cell = np.flatnonzero(sampled.sample.whole)
    for day in (0, 9):
        for name in ("nearest", "bilinear", "climatological_pattern", "prior"):
            found = sampled.place.rival(name, own.coarse[day], cell)
            expected = whole.place.rival(name, all_of_it.coarse[day], number[cell])
            np.testing.assert_allclose(found, expected, atol=1e-12)
        found = sampled.place.hybrid(hybrid.branch, look_of(own, day), cell)
        expected = whole.place.hybrid(hybrid.branch, look_of(all_of_it, day), number[cell])
        apart = np.abs(found - expected)  # a last digit may lead down another branch of a tree, which moves its block
        assert np.median(apart) < 1e-9
        assert apart.mean() < 1e-5


def test_memory_is_that_of_a_tile_and_of_the_cells(prior):
    """A quarter of the domain at once: less than a third of what the whole takes in memory."""

    def peak(work):
        tracemalloc.start()
        work()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    design = replace(DESIGN, replicates=2, days=(4, 2))
    frame = frame_of(prior, prior.domain, tile=1)
    sampled = peak(lambda: sampled_world(prior, prior.domain, frame, design, 2600, tile=1))
    assert sampled < peak(lambda: sampled_world(prior, prior.domain, frame, design, 2600, tile=2)) / 1.5


@pytest.mark.integration  # its fits take some seconds
def test_an_experiment_on_a_sample_is_a_pure_function_of_its_seed_and_has_a_report(prior, worlds, small_hybrid):
    sampled, _ = worlds
    cells = table(DESIGN, sampled.domain_cells)
    physics = fit_physics(sampled, DESIGN)
    records = [run_cell(sampled.light(), DESIGN, physics, cell) for cell in cells]
    frame = frame_of(prior, prior.domain)
    again = sampled_world(prior, prior.domain, frame, DESIGN, 3500)
    for cell, record in zip(cells[:2], records, strict=False):
        assert run_cell(again.light(), DESIGN, physics, cell).scores == record.scores
    at_stations = {row["layout"] for row in records[0].scores if row["method"] == "physics_everywhere"}
    assert at_stations == {"everywhere", "biased"}  # the network's layout alone has whole SMAP cells
    truth = Truth(title="t", domain="two", period="p", digest="d", simulated=True, notes=())
    report = make_report(truth, sampled, DESIGN, records, made="m", worked_out="w")
    assert f"{frame.cells:,} in the domain" in report.page
    assert report.page.index('class="opening"') < report.page.index("Three findings on this domain")
    maps = report.tables["maps"]
    assert len(maps) == sampled.cells
    assert maps["weight"].sum() == pytest.approx(frame.cells)


def test_so_few_cells_are_refused(prior):
    frame = frame_of(prior, prior.domain)
    with pytest.raises(ConfigError, match="--cells"):
        draw_sample(frame, replace(DESIGN, replicates=9), 3000, RATIO)


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 81), min_size=12, max_size=40), count=st.integers(1, 5))
def test_every_block_is_drawn_as_often_as_it_is_large(sizes, count):
    size = np.array(sizes, float) + 1.0
    if size.max() * count > size.sum():
        return
    starts = (np.arange(800) + 0.5) / 800
    drawn = np.bincount(np.concatenate([proportional(size, count, start) for start in starts]), minlength=len(size))
    np.testing.assert_allclose(drawn / len(starts), count * size / size.sum(), atol=4e-3)


def test_the_expected_score_is_the_domains():
    """Over all starts of the draw; squared errors are unbiased where all is seen, and nearly so where it is not."""
    rng = np.random.default_rng(0)
    size = rng.integers(1, 82, 60).astype(float)
    block = np.repeat(np.arange(60), size.astype(int))
    level = np.cumsum(rng.normal(0.0, 0.02, 60))[block]  # errors of neighbours are alike
    error, truth = level + rng.normal(0.0, 0.02, len(block)), rng.uniform(0.05, 0.4, len(block))
    cell = np.arange(len(block))
    for seen in (np.ones(len(block), bool), rng.random(60)[block] < 0.7):
        whole = score((truth + error)[seen], truth[seen], cell[seen])
        squares, biases = [], []
        for start in (np.arange(300) + 0.5) / 300:
            chosen = proportional(size, 12, start)
            some = np.isin(block, chosen) & seen
            weight = len(block) / (12 * size[block[some]])
            found = weighted_score((truth + error)[some], truth[some], cell[some], weight)
            squares.append(found["rmse"] ** 2)
            biases.append(found["bias"])
        exact = 5e-3 if seen.all() else 0.1
        assert np.mean(squares) == pytest.approx(whole["rmse"] ** 2, rel=exact)
        assert np.mean(biases) == pytest.approx(whole["bias"], abs=exact * whole["rmse"])
        alike = weighted_score((truth + error)[seen], truth[seen], cell[seen], np.full(int(seen.sum()), 3.0))
        assert alike == pytest.approx(whole, nan_ok=True)


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (5, 13)])
def test_a_curve_passes_every_cell_once_and_by_neighbours(shape):
    order = along_curve(*shape)
    assert sorted(order) == list(range(shape[0] * shape[1]))
    if shape == (8, 8):
        row, column = np.divmod(order, 8)
        assert (np.abs(np.diff(row)) + np.abs(np.diff(column)) == 1).all()
