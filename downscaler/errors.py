"""Every error vadose raises on bad input: one class per cause, each with its exit code."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

BROKEN: tuple[type[Exception], ...] = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    SystemError,  # of compiled codecs, which ask Python for a negative length
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What Python and libraries raise of a file that is damaged or made to harm; a reader turns it into its own error."""


class VadoseError(Exception):
    """An error that a user or operator can fix; shows the value, what is allowed and what to do.

    Args:
        what: one sentence that names the problem and the file or option.
        value: the offending value, shown as is.
        allowed: what would have been accepted (a text or several).
        remedy: what to do now.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        value: object = None,
        allowed: str | Iterable[object] | None = None,
        remedy: str | None = None,
    ) -> None:
        self.what, self.value, self.remedy = what, value, remedy
        self.allowed = allowed if isinstance(allowed, str) or allowed is None else ", ".join(map(str, allowed))
        parts = [what.rstrip(".") + "."]
        if value is not None:
            parts.append(f"Got: {value}.")
        if self.allowed is not None:
            parts.append(f"Allowed: {self.allowed}.")
        if remedy is not None:
            parts.append(remedy)
        super().__init__(" ".join(parts))


class ConfigError(VadoseError):
    """A setting or option is unknown or has an invalid value."""

    exit_code = 3


class MissingExtraError(ConfigError):
    """A command needs an optional part of vadose that is not installed."""

    exit_code = 5


class DomainError(ConfigError):
    """A domain is unknown, empty or outside the grid."""

    exit_code = 4


class PeriodError(ConfigError):
    """A date is invalid, or a period is reversed, in the future or before SMAP's first day."""

    exit_code = 6


class GranuleError(VadoseError):
    """A SMAP granule cannot be used."""

    exit_code = 10


class GranuleMissingError(GranuleError):
    """No granule exists for the date."""

    exit_code = 11


class GranuleUnreadableError(GranuleError):
    """The file is not HDF5, or is truncated."""

    exit_code = 12


class GranuleLayoutError(GranuleError):
    """The file is HDF5 but lacks the groups or variables of a SMAP soil moisture product."""

    exit_code = 13


class GranuleGridError(GranuleError):
    """The granule's grid is not that of its product."""

    exit_code = 14


class NoRetrievalError(GranuleError):
    """No cell of the domain holds a recommended retrieval on this day."""

    exit_code = 15


class GranuleNameError(GranuleError):
    """A file's name is not that of a SMAP granule, and its contents do not identify it."""

    exit_code = 16


class PriorError(VadoseError):
    """A ParFlow-CLM file or prior cannot be used."""

    exit_code = 20


class PriorUnreadableError(PriorError):
    """A ParFlow file or prior store is missing, truncated or of another format."""

    exit_code = 21


class PriorCoverageError(PriorError):
    """The prior does not cover the domain."""

    exit_code = 22


class PriorSchemaError(PriorError):
    """A variable, unit or description of the prior is missing or wrong."""

    exit_code = 23


class WeatherError(VadoseError):
    """Weather files or a weather store cannot be used."""

    exit_code = 25


class WeatherUnreadableError(WeatherError):
    """A weather file or store is missing, damaged or of another layout, grid, unit or date."""

    exit_code = 26


class WeatherValueError(WeatherError):
    """Weather values are not plausible for their stated unit."""

    exit_code = 27


class WeatherGapError(WeatherError):
    """A part of a day's weather is missing."""

    exit_code = 28


class ModelError(VadoseError):
    """A model folder cannot be used."""

    exit_code = 30


class ModelUnreadableError(ModelError):
    """The model folder is missing, incomplete or fails its checksum."""

    exit_code = 31


class ModelFeatureError(ModelError):
    """The model needs features that this run or this version does not have."""

    exit_code = 32


class TrainingError(ModelError):
    """There is too little data to train or calibrate on."""

    exit_code = 33


class TrainingDeviceError(ModelError):
    """The training device is unknown, or XGBoost cannot use it."""

    exit_code = 34


class CatalogError(VadoseError):
    """The catalogue cannot be read or written."""

    exit_code = 40


class OutputError(VadoseError):
    """A file cannot be written where it was asked for."""

    exit_code = 46


class StorageFullError(CatalogError):
    """The disk or bucket is full; nothing of the day was published."""

    exit_code = 41


class CatalogFaultsError(CatalogError):
    """The check of a catalogue found faults."""

    exit_code = 42


class ClaimedError(CatalogError):
    """Another run is making this day."""

    exit_code = 44


class DatabaseError(CatalogError):
    """The search database cannot be reached, or refuses the request."""

    exit_code = 43


class ConditionalWriteError(CatalogError):
    """The object store has no conditional writes: two runs could overwrite each other's days."""

    exit_code = 45


class StationError(VadoseError):
    """A station archive cannot be read."""

    exit_code = 50


class HydroDataError(StationError):
    """SCAN or SNOTEL data are not available from HydroData: no client, no valid PIN, or no answer."""

    exit_code = 51


class ValidationError(VadoseError):
    """There are no or too few data to validate."""

    exit_code = 52


class TripletError(ValidationError):
    """Triple collocation is not possible: the sources are not independent, too few or unrelated."""

    exit_code = 53


class ComparisonError(ValidationError):
    """The product to compare with cannot be read or does not match."""

    exit_code = 54


class BackfillError(VadoseError):
    """Some days of a backfill failed; the others are done."""

    exit_code = 60


class StarvedError(VadoseError):
    """The product lacks input: no granule of the last days is on offer."""

    exit_code = 61


class FailingError(VadoseError):
    """A day of the last days failed."""

    exit_code = 62


class LateError(VadoseError):
    """The newest day that should be published by now is not."""

    exit_code = 63


class ServerAwayError(VadoseError):
    """The Prefect server does not answer, or answers with errors of its own, for minutes."""

    exit_code = 64


class SharedMemoryError(VadoseError):
    """Processes cannot be started: shared memory (/dev/shm) cannot be written."""

    exit_code = 65


class DoctorError(VadoseError):
    """Something that the product needs is not as it must be."""

    exit_code = 66


class ClimatologyError(VadoseError):
    """A SMAP climatology cannot be used, or does not match the other inputs."""

    exit_code = 70


class ObservationError(VadoseError):
    """The observation model of SMAP was given a value that it cannot have."""

    exit_code = 71


class ExperimentError(VadoseError):
    """A playground cannot be completed, or its records cannot be used."""

    exit_code = 75


class AcquisitionError(VadoseError):
    """An archive cannot be reached, or gives an unexpected answer."""

    exit_code = 80


class CredentialsError(AcquisitionError):
    """The credentials for an archive are missing or incomplete."""

    exit_code = 81


class LoginError(AcquisitionError):
    """An archive refused the credentials: wrong, expired or revoked."""

    exit_code = 82


class AgreementError(AcquisitionError):
    """The account lacks access: an agreement or application must be accepted first."""

    exit_code = 83


class ArchiveTimeoutError(AcquisitionError):
    """An archive did not answer in time."""

    exit_code = 84


class DownloadError(AcquisitionError):
    """A download differs from the archive's description; it is kept in quarantine."""

    exit_code = 85


class AbsentDataError(AcquisitionError):
    """An archive does not have the requested data."""

    exit_code = 86


class CacheError(AcquisitionError):
    """The download cache cannot be used."""

    exit_code = 87


class CubeError(VadoseError):
    """A cube cannot be built, updated or opened."""

    exit_code = 90


class TransferError(VadoseError):
    """Some files of a download failed; the others are kept."""

    exit_code = 91


class UnreachableError(TransferError):
    """A catalogue does not answer, or the address is not a catalogue."""

    exit_code = 92


class ChecksumError(TransferError):
    """A downloaded file differs from the description in its item."""

    exit_code = 93


class ForeignHostError(TransferError):
    """A catalogue leads to a host that is not its own and was not allowed."""

    exit_code = 96


class NothingFoundError(VadoseError):
    """No published day matches the box and period."""

    exit_code = 94


class BusyError(VadoseError):
    """Another process is writing the same output."""

    exit_code = 95


class AlertError(VadoseError):
    """A rule of alerts is unusable, or an address could not be told of an alert."""

    exit_code = 99


class OutlookError(VadoseError):
    """A state of the outlook cannot be read, or cannot be learned from the prior."""

    exit_code = 100


class RootZoneError(VadoseError):
    """A state of the root zone cannot be read, or cannot be learned from the prior."""

    exit_code = 98


class ZoneError(VadoseError):
    """A file of polygons cannot be read, or none of them lies in the domain."""

    exit_code = 97


@contextmanager
def broken_as(kind: type[VadoseError], what: str, where: object = None, remedy: str | None = None) -> Iterator[None]:
    """Turn whatever a damaged or made-up input makes Python and libraries raise into one typed error.

    For the outermost call of a reader alone: what is wrong inside is told by the error's cause.

    Args:
        kind: of the error.
        what: one sentence.
        where: the file or folder.
        remedy: what to do now.
    """
    try:
        yield
    except VadoseError:
        raise
    except BROKEN as error:
        told = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise kind(what, value=told if where is None else f"{where}: {told}", remedy=remedy) from error
