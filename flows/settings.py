"""What an operator can set, once, in ``vadose.toml`` or the environment.

Command line wins over environment (``VADOSE_<KEY>``), environment over file, file over the defaults here. Unknown
keys and unknown ``VADOSE_*`` variables are refused, so a misspelt setting is never a silent default.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from downscaler.errors import BROKEN, ConfigError

PREFIX = "VADOSE_"
_OTHERS = (
    f"{PREFIX}SERVE_",
    f"{PREFIX}DOWNLOAD_",
    f"{PREFIX}LOCK_SECONDS",
    f"{PREFIX}READ_SECONDS",
    f"{PREFIX}READ_MEMORY",
    f"{PREFIX}PGSTAC_DSN",
    f"{PREFIX}WEBHOOK_TOKEN",
)  # read where they are used
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
DEFAULT_FILE = Path("vadose.toml")
_PATHS = (
    "prior",
    "model",
    "granules",
    "cache",
    "climatology",
    "weather",
    "rootzone",
    "outlook",
    "alerts",
    "zones_folder",
    "catalog",
    "metrics_file",
)
_LISTS = ("stations", "products", "composites", "derived", "zones")
_NAMED = ("scan", "snotel", "states", "counties")  # what `stations` and `zones` name beside paths
_GONE = {  # settings that there were, and what to do instead
    "gap_fill": "Delete it. The analysis (`products`, made by default) has a value for every cell and day.",
}


class Settings(BaseSettings):
    """All settings with their defaults; docs/reference/settings.md is written from the descriptions."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    domain: str = Field(
        default="conus",
        description="where: a preset (conus, demo, little-washita, upper-verde) or west,south,east,north in degrees",
    )
    prior: Path | None = Field(default=None, description="prior store made by `vadose prior build`")
    model: Path | None = Field(default=None, description="model folder made by `vadose train`")
    model_sha256: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="digest that the model must have, as `vadose info MODEL` tells it; unset, a model that was not "
        "trained here is first loaded in a guarded process",
    )
    granules: Path | None = Field(default=None, description="folder with SMAP granules")
    catalog: str = Field(
        default="build/catalog", description="catalogue to publish in: a folder, file:// or s3://bucket/prefix"
    )
    smap_product: Literal["SPL3SMP_E", "SPL3SMP", "SPL2SMP_E", "SPL2SMP"] | None = Field(
        default=None,
        description="SMAP product to use; unset, the finest one of the day in `granules`, or SPL3SMP_E",
    )
    smap_source: Literal["folder", "earthdata"] | None = Field(
        default=None,
        description="where granules come from: folder (`granules`) or earthdata; unset, the folder if one is set, "
        "else Earthdata if credentials are found",
    )
    smap_version: str | None = Field(
        default=None,
        pattern=r"^\d{3}$",
        description="collection version to use from Earthdata, such as 006 (6 means the same); unset, any",
    )
    smap_latency: float = Field(
        default=50, gt=0, le=1000, description="hours after the end of a day before its granule counts as missing"
    )
    near_real_time: bool = Field(
        default=False,
        description="use only SMAP's near-real-time stream (SPL2SMP_NRT, 36 km); the item says so",
    )
    second_source: Literal["SPL4SMGP"] | None = Field(
        default=None,
        description="coarse source of days without a SMAP retrieval: SPL4SMGP, a model that assimilates SMAP, as the "
        "mean of a day's eight fields; flagged, never mixed with retrievals, replaced once SMAP has any; unset, none",
    )
    cache: Path = Field(default=Path("build/cache"), description="folder of downloaded, verified granules")
    cache_limit: float = Field(
        default=20,
        gt=0,
        description="largest size of `cache` in GB; the least recently used files are removed, never those of the "
        "last hour",
    )
    earthdata_cmr: str = Field(
        default="https://cmr.earthdata.nasa.gov/search/", description="address of NASA's search service (CMR), https"
    )
    earthdata_login: str = Field(default="urs.earthdata.nasa.gov", description="host of NASA's log-in service (EDL)")
    earthdata_timeout: float = Field(default=60, gt=0, le=3600, description="time limit of one answer in seconds")
    nldas3_address: str = Field(
        default="https://nasa-waterinsight.s3.us-west-2.amazonaws.com/NLDAS3/forcing/daily",
        description="address below which NLDAS-3's daily files lie by month",
    )
    look_back: int = Field(
        default=14, ge=1, le=366, description="days that `vadose status` and the daily flow look back"
    )
    weather: Path | None = Field(
        default=None,
        description="weather store made by `vadose weather build`, for days beyond the prior; unset, none",
    )
    climatology: Path | None = Field(
        default=None,
        description="SMAP climatology made by `vadose climatology build`, to match SMAP to the prior; unset, none",
    )
    matching: Literal["mean_std", "cdf"] = Field(
        default="mean_std", description="matching method if `climatology` is set: mean_std or cdf"
    )
    products: Annotated[tuple[Literal["conserving", "analysis"], ...], NoDecode] = Field(
        default=("conserving", "analysis"),
        min_length=1,
        description="what is made of each day: conserving (keeps SMAP's retrievals), analysis (complete, the best "
        "estimate), or both with a comma",
    )
    composites: Annotated[tuple[Literal["3day", "weekly", "monthly"], ...] | None, NoDecode] = Field(
        default=None,
        description="composites that `run`, `backfill` and the daily flow keep in step with the days: 3day, weekly, "
        "monthly, several with commas; unset, none",
    )
    rootzone: Path | None = Field(
        default=None, description="state of the root zone made by `vadose rootzone learn`; unset, none"
    )
    outlook: Path | None = Field(
        default=None, description="state of the outlook made by `vadose outlook learn`; unset, none"
    )
    derived: Annotated[tuple[Literal["percentile", "rootzone", "outlook"], ...] | None, NoDecode] = Field(
        default=None,
        description="what else of the analyses `run`, `backfill` and the daily flow keep in step with the days: "
        "percentile, rootzone, outlook, several with commas; unset, none",
    )
    zones: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None,
        description="polygons whose series `run`, `backfill` and the daily flow keep in step with the days: files, "
        "or states or counties (extra `places`); a list, or one comma-separated text; unset, none",
    )
    zones_folder: Path = Field(default=Path("build/zones"), description="folder of the series of `zones`")
    alerts: Path | None = Field(
        default=None,
        description="file of rules of `vadose alerts`, which `run`, `backfill` and the daily flow follow; unset, none",
    )
    stations: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None,
        description="station data to validate against: ISMN archives, USCRN files, folders of them, scan, snotel; "
        "a list, or one comma-separated text",
    )
    validation_days: int = Field(
        default=365, ge=1, description="days up to a newly published one that the daily flow validates"
    )
    validation_pairs: int = Field(
        default=20, ge=3, description="least number of pairs for a site to count in a validation"
    )
    validation_gain: float = Field(
        default=0.0,
        allow_inf_nan=False,
        description="paired gain over SMAP in ubRMSD, m3 m-3, below which a validation alerts the operators",
    )
    contact: str | None = Field(
        default=None,
        pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
        description="e-mail address of who publishes the product, told in NetCDF files; unset, none",
    )
    workers: int = Field(default=1, ge=1, le=256, description="number of parallel processes of a backfill")
    retries: int = Field(
        default=3, ge=0, le=10, description="how often Prefect retries a day whose failure may be temporary"
    )
    log_format: Literal["auto", "json", "rich"] = Field(
        default="auto",
        description="format of log lines: json (one object per line), rich (for people), or auto: json in a "
        "container, else rich",
    )
    catalog_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="address at which `catalog` is served, for links and pictures on Prefect's pages; unset, "
        "paths and no picture",
    )
    metrics_file: Path | None = Field(
        default=None,
        description="file of metrics that each run writes for Prometheus's node exporter, NAME.prom; unset, none",
    )
    notification_block: str | None = Field(
        default=None,
        pattern=r"^[^/]+/[^/]+$",
        description="Prefect notification block for `vadose automations`, such as slack-webhook/operators",
    )
    training_rows: int | None = Field(
        default=None,
        ge=1000,
        description="training samples per branch of a model; unset, chosen automatically",
    )
    training_rounds: int | None = Field(
        default=None, ge=1, description="largest number of trees per branch of a model; unset, chosen automatically"
    )
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="random seed of the simulated sample and of training")

    @field_validator("smap_version", mode="before")
    @classmethod
    def _with_zeros(cls, value: Any) -> Any:
        """A version as CMR writes it: 6 is 006."""
        text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else value
        return text.zfill(3) if isinstance(text, str) and text.isdigit() else value

    @field_validator(*_PATHS, mode="before")
    @classmethod
    def _at_home(cls, value: Any) -> Any:
        """A path with its ~ expanded, also from a variable, where no shell does it."""
        if not isinstance(value, str) or "://" in value:
            return value
        if not value.strip():
            raise ValueError("a path, not a blank")
        try:
            return str(Path(value).expanduser()) if value.startswith("~") else value
        except RuntimeError as error:
            raise ValueError(str(error)) from None

    @field_validator(*_LISTS, mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """One text with commas as the list that it stands for; an empty list as none."""
        entries = value.split(",") if isinstance(value, str) else value
        listed = isinstance(entries, (list, tuple, type(None)))
        if not listed or not all(isinstance(entry, (str, Path)) for entry in entries or ()):
            raise ValueError("a list of texts, or one text with commas")
        named = [str(entry).strip() for entry in entries or () if str(entry).strip()]
        return tuple(named) or None


def load_settings(config: Path | None = None, **overrides: Any) -> Settings:
    """Settings of this process.

    Args:
        config: the file; without it ``VADOSE_CONFIG``, then ``vadose.toml`` in the working folder where there is one.
        overrides: values from the command line; None means not given.

    Raises:
        ConfigError: unknown key or variable (with the nearest valid name), bad value, or unreadable file.
    """
    environment = {name.upper(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}
    environment = {name: value for name, value in environment.items() if not name.startswith(_OTHERS)}
    _refuse_unknown(environment, [*map(_variable, Settings.model_fields), CONFIG_VARIABLE], "environment variable")
    path = _config_path(config, environment.get(CONFIG_VARIABLE))
    from_file = _read_file(path) if path else {}
    values = {key: value for key, value in from_file.items() if not environment.get(_variable(key))}
    values |= {key: value for key, value in overrides.items() if value is not None}
    try:
        return Settings(**values)
    except ValidationError as error:
        raise _bad_value(error) from None


def _variable(key: str) -> str:
    return PREFIX + key.upper()


def _config_path(given: Path | None, variable: str | None) -> Path | None:
    chosen = given or (Path(variable) if variable else None)
    if chosen is None:
        return DEFAULT_FILE if DEFAULT_FILE.is_file() else None
    if not chosen.is_file():
        source = "--config" if given else CONFIG_VARIABLE
        raise ConfigError(f"The settings file named by {source} was not found", value=chosen)
    return chosen


def _read_file(path: Path) -> dict[str, Any]:
    """Keys of a config file, its relative paths counted from its own folder."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except BROKEN as error:
        raise ConfigError(f"The settings file {path} cannot be read", value=error) from None
    _refuse_unknown(values, list(Settings.model_fields), f"key in {path}")
    for key, value in values.items():
        if isinstance(value, bool) and Settings.model_fields[key].annotation is not bool:
            raise ConfigError(
                f"Setting {key!r} in {path} has an invalid value",
                value=str(value).lower(),
                allowed="a number or a text",
            )
        if isinstance(value, str) and not value.strip() and key not in _LISTS:  # a path would be the file's own folder
            raise ConfigError(f"Setting {key!r} in {path} is empty", remedy="Delete the line to leave it unset.")
    for key in _PATHS:
        value = values.get(key)
        if isinstance(value, str) and "://" not in value:
            values[key] = _beside(path, value)
    for key in ("stations", "zones"):
        told = values.get(key)
        named = told.split(",") if isinstance(told, str) else told
        if isinstance(named, list) and all(isinstance(entry, str) for entry in named):
            values[key] = [_from_own_folder(path, entry.strip()) for entry in named]
    return values


def _beside(path: Path, value: str) -> str:
    """A path of a config file, counted from the file's own folder."""
    try:
        return str(path.parent / Path(value).expanduser())
    except RuntimeError as error:
        raise ConfigError(f"A path in {path} cannot be understood", value=value, remedy=str(error)) from None


def _from_own_folder(path: Path, entry: str) -> str:
    """An entry of a config file's list: a known name as it is, a relative path from the file's own folder."""
    return entry if not entry or entry in _NAMED else _beside(path, entry)


def _refuse_unknown(names: Iterable[str], valid: list[str], what: str) -> None:
    for name in names:
        if (instead := _GONE.get(name.lower().removeprefix(PREFIX.lower()))) is not None:
            raise ConfigError(f"The setting {name} no longer exists", remedy=instead)
        if name not in valid:
            near = difflib.get_close_matches(name.replace("-", "_"), valid, n=1, cutoff=0.0)
            raise ConfigError(
                f"Unknown {what}", value=repr(name), allowed=sorted(valid), remedy=f"Did you mean {near[0]!r}?"
            )


def _bad_value(error: ValidationError) -> ConfigError:
    """The first complaint of pydantic, said in our words."""
    first: Mapping[str, Any] = error.errors()[0]
    key = str(first["loc"][0])  # of a list's entries too
    return ConfigError(
        f"Setting {key!r} ({_variable(key)}) has an invalid value", value=repr(first["input"]), allowed=first["msg"]
    )
