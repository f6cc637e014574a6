"""What Prefect tries again: what may pass, and nothing that cannot."""

import pytest
from prefect import flow, task

from downscaler.errors import ArchiveTimeoutError, CatalogError, ConfigError, GranuleUnreadableError, LoginError
from flows.server.daily import publish_day, validate_days
from flows.server.learning import build, fit
from flows.server.retries import PATIENT, may_pass

pytestmark = pytest.mark.usefixtures("server")


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (ArchiveTimeoutError("no answer"), 4),
        (CatalogError("the store is away"), 4),
        (GranuleUnreadableError("cut short"), 1),
        (ConfigError("no prior"), 1),
        (LoginError("refused"), 1),
        (RuntimeError("a bug"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_may_pass_is_tried_again(error: Exception, tries: int) -> None:
    made = []

    @task(**{**PATIENT, "retry_delay_seconds": 0})
    def work() -> None:
        made.append(1)
        raise error

    @flow
    def run() -> None:
        work()

    with pytest.raises(type(error)):
        run()
    assert len(made) == tries


def test_every_task_that_reaches_out_is_patient_and_limited() -> None:
    for patient in (publish_day, validate_days, build, fit):
        assert patient.retry_condition_fn is may_pass
        assert patient.retries == 3
        assert patient.timeout_seconds
