"""Every error vadose raises on bad input: one class per cause, each with its exit code."""

from __future__ import annotations

from collections.abc import Iterable


class VadoseError(Exception):
    """Something a user or operator can mend; shows the value, what was allowed and what to do.

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
    """A setting or option is unknown or has no valid value."""

    exit_code = 3


class MissingExtraError(ConfigError):
    """A command needs an optional part of vadose that is not installed."""

    exit_code = 5


class DomainError(ConfigError):
    """A domain is unknown, empty or outside the grid."""

    exit_code = 4


class PeriodError(ConfigError):
    """A date is none, or a period is reversed, in the future or before SMAP's first data."""

    exit_code = 6


class GranuleError(VadoseError):
    """A SMAP granule cannot be used."""

    exit_code = 10


class GranuleMissingError(GranuleError):
    """No granule is there for the date."""

    exit_code = 11


class GranuleUnreadableError(GranuleError):
    """The file is no HDF5 or is cut short."""

    exit_code = 12


class GranuleLayoutError(GranuleError):
    """The file is HDF5 but lacks the groups or variables of a SMAP soil moisture product."""

    exit_code = 13


class GranuleGridError(GranuleError):
    """The granule's grid is not the one its product is defined on."""

    exit_code = 14


class NoRetrievalError(GranuleError):
    """No cell of the domain holds a recommended retrieval on this day."""

    exit_code = 15


class GranuleNameError(GranuleError):
    """A file's name is not that of a SMAP granule, and nothing in the file says what it is."""

    exit_code = 16


class PriorError(VadoseError):
    """A ParFlow-CLM file or prior cannot be used."""

    exit_code = 20


class PriorUnreadableError(PriorError):
    """A ParFlow file or prior store is missing, cut short or of another format."""

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
    """Weather values cannot be what they are said to be."""

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
    """The model was trained for features that this run cannot supply, or for others than this version has."""

    exit_code = 32


class TrainingError(ModelError):
    """There is too little data to train or calibrate on."""

    exit_code = 33


class TrainingDeviceError(ModelError):
    """The device to train on is unknown or XGBoost cannot use it."""

    exit_code = 34


class CatalogError(VadoseError):
    """The catalogue cannot be read or written."""

    exit_code = 40


class StorageFullError(CatalogError):
    """The disk or bucket is full; nothing of the day was published."""

    exit_code = 41


class CatalogFaultsError(CatalogError):
    """The check of a catalogue found faults."""

    exit_code = 42


class ClaimedError(CatalogError):
    """Another run is making this day right now."""

    exit_code = 44


class DatabaseError(CatalogError):
    """The database of a catalogue's search cannot be reached or refuses."""

    exit_code = 43


class StationError(VadoseError):
    """A station archive cannot be read."""

    exit_code = 50


class HydroDataError(StationError):
    """SCAN or SNOTEL cannot be had from HydroData: no client, no valid PIN, or no answer."""

    exit_code = 51


class ValidationError(VadoseError):
    """There is nothing to validate, or too little to tell anything."""

    exit_code = 52


class TripletError(ValidationError):
    """Triple collocation is asked for and its three sources are not independent, or too few or unrelated."""

    exit_code = 53


class ComparisonError(ValidationError):
    """The product to compare with cannot be read or does not fit."""

    exit_code = 54


class BackfillError(VadoseError):
    """Some days of a backfill failed; the others are done."""

    exit_code = 60


class ClimatologyError(VadoseError):
    """A climatology of coarse soil moisture cannot be used, or does not fit what it is used with."""

    exit_code = 70


class ObservationError(VadoseError):
    """The observation model of SMAP was given a value that it cannot have."""

    exit_code = 71


class ExperimentError(VadoseError):
    """A playground cannot be run to its end, or its records cannot be used."""

    exit_code = 75


class AcquisitionError(VadoseError):
    """An archive cannot be reached or does not answer as it should."""

    exit_code = 80


class CredentialsError(AcquisitionError):
    """The credentials for an archive are missing or incomplete."""

    exit_code = 81


class LoginError(AcquisitionError):
    """An archive refused the credentials: wrong, expired or revoked."""

    exit_code = 82


class AgreementError(AcquisitionError):
    """The account may not have the data: an agreement or application has to be accepted first."""

    exit_code = 83


class ArchiveTimeoutError(AcquisitionError):
    """An archive did not answer in time."""

    exit_code = 84


class DownloadError(AcquisitionError):
    """A download is not the file that the archive describes; it lies in quarantine."""

    exit_code = 85


class AbsentDataError(AcquisitionError):
    """An archive does not have the data that were asked for."""

    exit_code = 86


class CacheError(AcquisitionError):
    """The folder that downloads are kept in cannot be used."""

    exit_code = 87


class CubeError(VadoseError):
    """A cube cannot be built, updated or opened."""

    exit_code = 90


class TransferError(VadoseError):
    """Some files of a download failed; the others are kept."""

    exit_code = 91


class UnreachableError(TransferError):
    """A catalogue does not answer, or what answers is none."""

    exit_code = 92


class ChecksumError(TransferError):
    """A downloaded file is not the one that its item describes."""

    exit_code = 93


class NothingFoundError(VadoseError):
    """No published day is in the box and period that were asked for."""

    exit_code = 94
