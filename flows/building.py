"""What days are made with, as Prefect flows: priors and models; all work is in ``flows.commands.build``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, task

from downscaler.errors import ConfigError
from flows import logs
from flows.commands.build import make_model, make_prior
from flows.retries import PATIENT, WORK_LIMIT
from flows.settings import Settings, load_settings


@task(timeout_seconds=WORK_LIMIT, **PATIENT)
def build_prior(source: str, path: Path, statics: Path | None, settings: Settings) -> str:
    """Bring ParFlow-CLM output onto the product grid; the address of the prior."""
    assert settings.prior is not None
    make_prior(source, path, settings.domain, settings.prior, statics)
    return str(settings.prior)


@task(timeout_seconds=WORK_LIMIT, **PATIENT)
def fit_model(settings: Settings) -> dict[str, Any]:
    """Train and test the hybrid; its skill on the days held out."""
    assert settings.prior is not None
    assert settings.model is not None
    return dict(make_model(settings.prior, settings.model, settings)["skill"])


@flow(flow_run_name="{source} {path}")
def prior(source: str, path: Path, statics: Path | None = None, config: Path | None = None) -> str:
    """Build the prior that the settings name from files (as ``vadose prior build --source pfb|netcdf|zarr``)."""
    settings = _settings(config)
    if settings.prior is None:
        raise ConfigError("No place for the prior is given", remedy="Set `prior` in vadose.toml.")
    return build_prior(source, path, statics, settings)


@flow(flow_run_name="training")
def train(config: Path | None = None) -> dict[str, Any]:
    """Train the model that the settings name on the prior that they name (as ``vadose train``)."""
    settings = _settings(config)
    if settings.prior is None or settings.model is None:
        raise ConfigError(
            "Training needs a prior and a place for the model", remedy="Set `prior` and `model` in vadose.toml."
        )
    return fit_model(settings)


def _settings(config: Path | None) -> Settings:
    settings = load_settings(config)
    logs.in_prefect(settings.log_format)
    return settings
