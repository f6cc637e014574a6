"""Records a day's failure beside the catalogue, so that it is visible and retried when it may succeed."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from downscaler.errors import GranuleMissingError, NoRetrievalError, VadoseError
from flows.day.jobs import DayJob
from flows.logs import DAYS, bound

if TYPE_CHECKING:
    from downscaler.day.inputs import Basis
    from downscaler.sources.smap import Offer

_LOG = logging.getLogger(__name__)
_DAYS = logging.getLogger(DAYS)


@contextmanager
def noted(date: dt.date, job: DayJob, inputs: Basis) -> Iterator[list[Offer]]:
    """Note how a day's work ends; yields a list to be filled with the granules that were on offer.

    A day without a granule is no failure. What cannot be noted is logged: the day's own error matters more.
    """
    from catalog.publish.failures import clear_failure
    from downscaler.sources.secrets import scrub

    offers: list[Offer] = []
    clean: Exception | None = None
    with bound(day=date):
        try:
            yield offers
        except GranuleMissingError as error:
            _DAYS.info("no granule: %s", error.what)
            raise
        except Exception as error:
            level = logging.INFO if isinstance(error, NoRetrievalError) else logging.ERROR
            _DAYS.log(level, "%s: %s", type(error).__name__, scrub(str(error)))
            _note(error, date, job, inputs, offers)
            if isinstance(error, VadoseError) or scrub(str(error)) == str(error):
                raise
            clean = RuntimeError(f"{type(error).__name__}: {scrub(str(error))}")
        if clean is not None:
            raise clean  # outside of the handler: what Prefect keeps of it has no credential
        try:
            clear_failure(job.catalog, inputs.domain, date)
        except VadoseError as error:
            _LOG.warning("Cannot remove the record of the failure of %s: %s", date, error)


def _note(error: Exception, date: dt.date, job: DayJob, inputs: Basis, offers: Sequence[Offer]) -> None:
    from catalog.publish.failures import Failure, record_failure
    from downscaler.sources.secrets import scrub

    failure = Failure(
        date=date,
        kind="no-coverage" if isinstance(error, NoRetrievalError) else "failed",
        error=type(error).__name__,
        exit_code=error.exit_code if isinstance(error, VadoseError) else 1,
        reason=scrub(error.what if isinstance(error, VadoseError) else str(error) or repr(error)),
        inputs=inputs_of(inputs, offers) if offers else {},
    )
    try:
        record_failure(job.catalog, inputs.domain, failure)
    except VadoseError as second:
        _LOG.warning("Cannot record the failure of %s: %s", date, second)


def inputs_of(inputs: Basis, offers: Sequence[Offer]) -> Mapping[str, str]:
    """What a day is made from, by name: checksums of granules, prior, model and climatology, and the versions."""
    from downscaler import product

    records = {f"{record.kind}:{record.name}": record.sha256 for record in inputs.records}
    versions = {"product": product.PRODUCT_VERSION, "algorithm": product.ALGORITHM_VERSION}
    return records | versions | {offer.file: offer.digest for offer in offers}


def is_transient(error: str) -> bool:
    """Whether an error of this class may be temporary, so that the day is retried with the same inputs."""
    from downscaler import errors

    kind = getattr(errors, error, None)
    return not isinstance(kind, type) or issubclass(
        kind, (errors.AcquisitionError, errors.CatalogError)
    )  # a class unknown here is a bug or a broken machine
