"""Scores against their definitions, held-out stations really held out, intervals and verdicts."""

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from downscaler.errors import ConfigError, TrainingError
from downscaler.playground.evaluations import EVALUATIONS, apparent, score, wall_to_wall
from downscaler.playground.experiment import Cell, Design, Record, fingerprint, run_cell, sited, table
from downscaler.playground.findings import NO, NOT_CLEAR, YES, Difference, Finding, Table, verdict
from downscaler.playground.method import Lesson
from downscaler.playground.methods import METHODS, learning_from, title_of
from downscaler.playground.sensor import Sensor, look, read_stations
from downscaler.playground.stations.layouts import Network
from downscaler.playground.stations.siting import GIVEN, Propensity
from downscaler.simulation.noise import Stream
from downscaler.skill.interval import Interval, mean_interval, replicates_needed

EXACT = Sensor(own=1.0, noise=0.0, revisit=False, reading_noise=0.0, gaps=0.0)


class Memory:
    """Knows the readings it was shown, day by day for a row, on average for a station, and -1 elsewhere."""

    name: ClassVar[str] = "memory"
    title: ClassVar[str] = "memory"
    learns: ClassVar[str] = "stations"

    def fit(self, lesson: Lesson) -> None:
        self.rows = set(zip(lesson.readings.day.tolist(), lesson.readings.cell.tolist(), strict=True))
        self.cells = {cell for _, cell in self.rows}

    def predict(self, scene, day, cell):
        known = [(d, c) in self.rows for d, c in zip(day.tolist(), cell.tolist(), strict=True)]
        place = np.isin(cell, list(self.cells))
        return np.where(known, 0.9, np.where(place, 0.5, 0.0)).astype(np.float32)


@pytest.fixture(scope="module")
def scene(structured):
    return look(structured, EXACT, Stream(seed=0, name="test"))


def test_scores_are_their_definitions():
    rng = np.random.default_rng(0)
    x, y, cell = rng.normal(size=60), rng.normal(size=60), np.repeat(np.arange(6), 10)
    found = score(x, y, cell)
    error = x - y
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert found["bias"] == pytest.approx(error.mean())
    assert found["r"] == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found["ubrmsd"] == pytest.approx(np.mean([error[cell == c].std() for c in range(6)]))


@pytest.mark.parametrize("evaluation", EVALUATIONS, ids=lambda e: e.name)
def test_held_out_is_held_out(scene, evaluation):
    """A method that only remembers shows what it was allowed to see: no row, and of held-out stations nothing."""
    world = scene.world
    stations = np.arange(40, world.cells, 400)
    readings = read_stations(scene, stations, EXACT, Stream(seed=0, name="test"))
    found = apparent(Memory, scene, readings, stations, evaluation, 0)
    chosen = world.learning if evaluation.folds is None else world.judged
    expected = (0.5 if evaluation.folds is None else 0.0) - world.theta[np.ix_(chosen, stations)].mean()
    assert found["bias"] == pytest.approx(expected, abs=1e-4)


def test_stations_in_one_block_have_no_blocks_to_hold_out(scene):
    stations = np.arange(5)
    readings = read_stations(scene, stations, EXACT, Stream(seed=0, name="test"))
    blocks = next(e for e in EVALUATIONS if e.name == "spatial_blocks")
    assert apparent(Memory, scene, readings, stations, blocks, 0) is None


def test_every_method_fits_and_predicts_soil_moisture_everywhere(structured, scene):
    stations = np.arange(0, structured.cells, 300)
    readings = read_stations(scene, stations, EXACT, Stream(seed=0, name="test"))
    for make in METHODS:
        method = make()
        method.fit(Lesson(scene=scene, readings=readings if make.learns == "stations" else None))
        skill, error = wall_to_wall(method, scene)
        assert 0.0 < skill["rmse"] < 0.2, make.name
        assert np.isfinite(error).all()
        assert np.sqrt((error.astype(float) ** 2).mean()) == pytest.approx(skill["rmse"], rel=1e-3)
    assert {m.name for m in learning_from("physics")} == {"physics_everywhere", "physics_elsewhere"}
    with pytest.raises(ConfigError, match="oracle"):
        title_of("oracle")


def test_a_cell_of_the_table_is_a_pure_function(structured):
    design = Design(stations=12, replicates=2, layouts=("random",), curve=(40, 9000), days=(25, 7))
    cells = table(design, structured.cells)
    assert [cell.key for cell in cells[:3]] == [
        "everywhere-00012-0000-full",
        "random-00012-0000-full",
        "random-00040-0000-true",
    ]
    assert len(cells) == 6
    world = structured.light()
    first, again = (run_cell(world, design, (), cells[2]) for _ in range(2))
    assert first.scores == again.scores
    assert run_cell(world, design, (), cells[5]).scores != first.scores


def test_fingerprints_tell_experiments_apart_but_not_by_their_size():
    one = fingerprint(Design(), "digest")
    assert one == fingerprint(Design(replicates=3, curve=(7,), stations=9), "digest")
    others = [Design(seed=1), Design(sensor=Sensor(noise=0.02)), Design(layouts=("random",))]
    assert len({one, fingerprint(Design(), "other"), *(fingerprint(design, "digest") for design in others)}) == 5


def test_a_real_network_brings_its_layout_and_its_siting(structured):
    xy = structured.xy[:: structured.cells // 20]
    with_network = sited(Design(), structured, Network(name="n", xy=xy), None)
    assert with_network.layouts[-1] == "real"
    assert "fitted" in with_network.siting.propensity.origin
    far = sited(Design(), structured, Network(name="n", xy=xy + 9000.0), None)
    assert far.siting.propensity == GIVEN
    given = Propensity(coefficients={"slope": 1.0})
    assert sited(Design(), structured, Network(name="n", xy=xy), given).siting.propensity == given


def test_an_interval_is_students():
    values = (1.0, 2.0, 4.0, 7.0)
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((3.5, low, high))
    with pytest.raises(TrainingError):
        mean_interval([1.0])


def test_verdicts_need_whole_intervals():
    above, below, across = (Interval(value=0, low=a, high=b) for a, b in ((0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1)))
    assert verdict([above, above]) == YES
    assert verdict([below]) == NO
    assert {verdict([across]), verdict([above, below]), verdict([above, across]), verdict([])} == {NOT_CLEAR}


@pytest.mark.parametrize(("mean", "spread", "replicates"), [(1.0, 3.0, 5), (0.2, 0.5, 20), (2.0, 1.0, 3)])
def test_so_many_replicates_would_tell(mean, spread, replicates):
    """The first number whose interval, of the same mean and spread, leaves 0 out."""
    half = stats.t.ppf(0.975, replicates - 1) * spread / np.sqrt(replicates)
    needed = replicates_needed(Interval(value=mean, low=mean - half, high=mean + half), replicates)
    least = next(n for n in range(2, 2000) if stats.t.ppf(0.975, n - 1) * spread / np.sqrt(n) < mean)
    assert needed == least
    assert replicates_needed(Interval(value=0.0, low=-half, high=half), replicates) is None


def test_a_finding_says_what_would_make_it_clear():
    across = Difference(words="biased", interval=Interval(value=0.01, low=-0.01, high=0.03), replicates=4)
    clear = Interval(value=0.02, low=0.01, high=0.03)
    more = Difference(words="biased, 100 stations", interval=clear, replicates=4, stations=100)
    texts = {"title": "t", "question": "q", "rule": "r", "amount": "a", "answers": ("yes.", "no.", "open.")}
    finding = Finding(**texts, deciding=(across,), beside=(more,))
    assert (finding.answer, finding.verdict) == ("open.", NOT_CLEAR)
    assert (
        finding.outlook
        == "With the spread of these 4 replicates, some 9 replicates would tell. With 100 stations: yes."
    )
    decided = Finding(**texts, deciding=(more,), beside=())
    assert (decided.answer, decided.outlook) == ("yes.", "")


def test_penalty_and_optimism_are_paired_by_replicate():
    """What is common to a replicate (a dry spell, say) does not widen the interval."""
    records = []
    for replicate, common in enumerate((0.01, 0.05, 0.09)):
        for layout, true in (("random", common), ("biased", common + 0.02)):
            rows = [
                {"evaluation": "wall_to_wall", "rmse": true},
                {"evaluation": "leave_station_out", "rmse": true - 0.01},
            ]
            scores = tuple(
                {"method": "stations_coarse", "layout": layout, "bias": 0, "r": 1, "ubrmsd": 0} | r for r in rows
            )
            cell = Cell(replicate=replicate, layout=layout, stations=30, full=True)
            records.append(Record(cell=cell, scores=scores, geometry={}, stations=np.arange(3), errors={}))
    found = Table(records, 30)
    penalty, optimism = (
        found.penalty("stations_coarse", "biased"),
        found.optimism("stations_coarse", "biased", "leave_station_out"),
    )
    assert (penalty.value, penalty.low) == pytest.approx((0.02, 0.02))
    assert (optimism.value, optimism.high) == pytest.approx((0.01, 0.01))
    assert found.optimism("stations_coarse", "biased", "knndm") is None
    assert isinstance(found.series("stations_coarse", "biased"), pd.Series)
