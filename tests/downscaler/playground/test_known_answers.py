"""On truths made so that the answer is known, penalty and optimism come out as they must."""

import pytest

from downscaler.playground.experiment import Design, fit_physics, run_cell, table
from downscaler.playground.findings import NO, YES, Table, findings, verdict
from downscaler.playground.sensor import Sensor
from downscaler.playground.stations.layouts import Siting
from downscaler.playground.stations.siting import Propensity

pytestmark = pytest.mark.integration
LEVEL_GROUND = Propensity(coefficients={"slope": -6.0})
DESIGN = Design(
    stations=15,
    replicates=5,
    layouts=("random", "biased"),
    curve=(),
    sensor=Sensor(noise=0.01, reading_noise=0.01),
    siting=Siting(propensity=LEVEL_GROUND),
    days=(25, 7),
)
LEARNERS = ("stations_only", "stations_coarse")


def answers(world):
    physics = fit_physics(world, DESIGN)
    return Table(
        [run_cell(world.light(), DESIGN, physics, cell) for cell in table(DESIGN, world.cells)], DESIGN.stations
    )


@pytest.fixture(scope="module")
def of_structure(structured):
    return answers(structured)


@pytest.fixture(scope="module")
def of_none(structureless):
    return answers(structureless)


@pytest.mark.parametrize("method", LEARNERS)
def test_stations_on_a_part_of_covariate_space_overfit_and_flatter(of_structure, method):
    assert verdict([of_structure.penalty(method, "biased")]) == YES
    for evaluation in ("random_rows", "leave_station_out", "knndm"):
        assert verdict([of_structure.optimism(method, "biased", evaluation)]) == YES, evaluation


def test_overfitting_and_false_confidence_are_found_in_such_a_truth(of_structure):
    _, overfitting, confidence = findings(of_structure, "biased")
    assert (overfitting.verdict, confidence.verdict) == (YES, YES)


def test_a_test_at_such_stations_flatters_even_what_has_learned_from_none(of_structure):
    """Trees fed from everywhere are as good at the stations as elsewhere; the bare coarse value is not."""
    flattered = of_structure.optimism("nearest", "biased", "leave_station_out")
    assert flattered.low > 0.0
    fair = of_structure.optimism("physics_elsewhere", "biased", "leave_station_out")
    assert abs(fair.value) < 0.2 * flattered.value


@pytest.mark.parametrize("method", LEARNERS)
def test_without_structure_places_neither_harm_nor_flatter(of_none, method):
    penalty = of_none.penalty(method, "biased")
    optimism = of_none.optimism(method, "biased", "leave_station_out")
    for interval in (penalty, optimism):
        assert interval.low <= 0.0 <= interval.high
    assert abs(penalty.value) < 0.002
    assert verdict([penalty]) not in (YES, NO)


def test_without_structure_no_method_beats_the_noise(of_none):
    for method in LEARNERS:
        assert of_none.series(method, "random").min() > 0.029
