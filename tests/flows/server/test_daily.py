"""The Prefect flows do what the commands do, and fail as they fail."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from catalog.publish.claims import claimed
from downscaler import product
from downscaler.errors import ConfigError, PriorUnreadableError, ValidationError
from flows.commands.product.produce import outcome_table
from flows.day.jobs import job_of
from flows.server import artifacts
from flows.server.daily import Telling, backfill, daily, validate
from flows.settings import load_settings
from flows.studies.validation_job import recent

DAY = dt.date(2024, 5, 23)


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with (
        prefect_test_harness(server_startup_timeout=180),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


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
