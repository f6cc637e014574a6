"""What Prefect retries: temporary errors (an archive, a store), never bad data or settings."""

from __future__ import annotations

from typing import Any

from flows.day.attempts import is_transient

RETRY_DELAYS = [30, 120, 600]  # seconds: an archive's short outage is outlived, a long one is the next run's work
DAY_LIMIT = 2 * 3600  # seconds that one day may take, retries not counted
WORK_LIMIT = 24 * 3600  # seconds of a training, a prior or a playground


def may_pass(_task: Any, _run: Any, state: Any) -> bool:
    """Whether a failed task should be retried at once: ``flows.day.attempts.is_transient`` of its error.

    What a person has to mend first (credentials, an agreement, a full disk) is not, nor is an error that is none of
    ours (a bug): the next run of the schedule tries these again, and no minute earlier.
    """
    from downscaler import errors

    error = state.data
    lasting = (
        errors.CredentialsError,
        errors.LoginError,
        errors.AgreementError,
        errors.AbsentDataError,
        errors.StorageFullError,
    )
    return (
        isinstance(error, errors.VadoseError) and not isinstance(error, lasting) and is_transient(type(error).__name__)
    )


PATIENT: dict[str, Any] = {
    "retries": len(RETRY_DELAYS),
    "retry_delay_seconds": RETRY_DELAYS,
    "retry_jitter_factor": 0.3,
    "retry_condition_fn": may_pass,
}
"""Options of a task that uses a network; jitter keeps simultaneous runs apart."""
