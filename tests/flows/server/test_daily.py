"""The Prefect flows do what the commands do, and fail as they fail."""

import contextvars
import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from prefect import State

from catalog.publish.claims import claimed
from downscaler import product
from downscaler.errors import ConfigError, PriorUnreadableError, ValidationError
from flows.commands.product.produce import outcome_table
from flows.day.jobs import DayOutcome, job_of
from flows.server import artifacts
from flows.server.daily import Telling, backfill, daily, validate
from flows.settings import load_settings
from flows.studies.validation_job import recent

DAY = dt.date(2024, 5, 23)

pytestmark = pytest.mark.usefixtures("server")


def site_of(made: Path, tmp_path: Path) -> dict[str, object]:
    """Settings of the sample with a catalogue of this test."""
    folders = {"prior": made / "prior", "model": made / "model", "granules": made / "sample" / "granules"}
    return {"domain": "-94.9,34.3,-94.4,34.6", "catalog": str(tmp_path / "catalog"), **folders}


def test_a_day_fails_with_the_typed_error_of_its_cause(vadose: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No prior is given"):
        daily(DAY)
    (tmp_path / "vadose.toml").write_text('prior = "absent"\nmodel = "absent"\n')
    with pytest.raises(PriorUnreadableError):
        daily(DAY)
    with pytest.raises(PriorUnreadableError):
        backfill(DAY, DAY + dt.timedelta(days=1))


def test_days_are_published_and_left_alone(made: Path, tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text(
        f'domain = "-94.9,34.3,-94.4,34.6"\nprior = "{made / "prior"}"\nmodel = "{made / "model"}"\n'
        f'granules = "{made / "sample" / "granules"}"\ncatalog = "catalog"\n'
    )
    assert daily(DAY, config=config)[0].status == "published"
    outcomes = backfill(DAY - dt.timedelta(days=1), DAY + dt.timedelta(days=1), config=config)
    assert [outcome.status for outcome in outcomes] == ["no-coverage", "current", "published"]
    assert (tmp_path / "catalog" / "catalog.json").is_file()


def test_a_day_that_another_run_is_making_holds_up_no_other(made: Path, tmp_path: Path) -> None:
    settings = load_settings(None, **site_of(made, tmp_path))
    with claimed(settings.catalog, product.domain(settings.domain), DAY):
        outcome, state = Telling(settings).attempt(DAY, job_of(settings), wait=False)
    assert (outcome.status, outcome.error) == ("claimed", "ClaimedError")
    assert state.is_completed()  # no task that failed, and none that waits for its next try
    assert "1 claimed" in artifacts.summary([outcome], settings, "Days")
    assert "1 claimed" in outcome_table([outcome]).caption


def test_two_runs_of_one_slot_make_each_day_once_and_both_end_well(made: Path, tmp_path: Path) -> None:
    """A deploy while the server is scheduling may leave two runs for one time: what one made the other leaves alone."""
    config = tmp_path / "mine.toml"
    lines = (f'{key} = "{value}"' for key, value in site_of(made, tmp_path).items())
    config.write_text("\n".join(lines))
    last = dt.date(2024, 5, 27)

    def run() -> State[list[DayOutcome]]:
        return cast("State[list[DayOutcome]]", daily(config=config, days=5, last=last, return_state=True))

    within = [contextvars.copy_context() for _ in "12"]
    with ThreadPoolExecutor(2) as both:
        states = list(both.map(lambda context: context.run(run), within))
    assert [state.is_completed() for state in states] == [True, True]
    outcomes = [outcome for state in states for outcome in state.result()]
    published = [outcome.date for outcome in outcomes if outcome.status == "published"]
    assert len(published) == len(set(published)) > 2
    assert {outcome.status for outcome in outcomes} <= {"published", "current", "no-coverage"}
    revisions = [path.name for path in (tmp_path / "catalog").glob("vadose-sm-*/*/*/*/r*")]
    assert set(revisions) == {"r001"}
    assert len(revisions) == len(published)
    assert daily(config=config, days=5, last=last) == []  # a third finds nothing to do


def test_a_published_day_is_validated_and_a_validation_that_fails_stops_no_day(
    vadose: Any, made: Path, tmp_path: Path
) -> None:
    config = tmp_path / "vadose.toml"
    config.write_text(
        f'domain = "-94.9,34.3,-94.4,34.6"\nprior = "{made / "prior"}"\nmodel = "{made / "model"}"\n'
        f'granules = "{made / "sample" / "granules"}"\ncatalog = "catalog"\n'
        f'stations = ["{made / "sample" / "stations"}"]\nvalidation_days = 30\n'
    )
    assert daily(DAY)[0].status == "published"
    assert (tmp_path / "build" / "validation" / "readings.parquet").is_file()  # it ran, and one day is too little
    with pytest.raises(ValidationError, match="enough pairs"):
        validate(DAY, DAY)
    job = recent(load_settings(), DAY)
    assert job.period == (DAY - dt.timedelta(days=29), DAY)
    assert job.stations == (str(made / "sample" / "stations"),)
    with pytest.raises(ConfigError, match="ends before"):
        validate(DAY, DAY - dt.timedelta(days=1))
