"""Prior and training as Prefect flows: like ``vadose prior build`` and ``vadose train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, task

from downscaler.errors import ConfigError
from flows.server.retries import PATIENT, WORK_LIMIT
from flows.server.running import clean_errors, running
from flows.settings import Settings
from flows.studies.build import make_model, make_prior


@task(timeout_seconds=WORK_LIMIT, **PATIENT)
def build(kind: str, path: Path, domain: str, out: Path, statics: Path | None) -> Path:
    """Bring ParFlow-CLM output onto a domain's product grid; the store's path."""
    with clean_errors():
        make_prior(kind, path, domain, out, statics)
    return out


@task(timeout_seconds=WORK_LIMIT, **PATIENT)
def fit(settings: Settings) -> dict[str, Any]:
    """Train on the prior of the settings; the model's card."""
    assert settings.prior is not None
    assert settings.model is not None
    with clean_errors():
        return make_model(settings.prior, settings.model, settings)


@flow(flow_run_name="{path}")
def prior(
    path: Path,
    source: str = "netcdf",
    statics: Path | None = None,
    out: Path | None = None,
    config: Path | None = None,
) -> Path:
    """Build the prior of the settings' domain from ParFlow-CLM files; ``out`` is the setting ``prior`` where not given.

    ``source`` is pfb, netcdf or zarr; ``statics`` a file with terrain, soil and land cover, if they are in one.
    Raises ConfigError when no store is named.
    """
    with running(config, prior=out) as settings:
        if settings.prior is None:
            raise ConfigError("No output for the prior is given", remedy="Give `out`, or set `prior` in vadose.toml.")
        return build(source, path, settings.domain, settings.prior, statics)


@flow
def train(config: Path | None = None, out: Path | None = None) -> dict[str, Any]:
    """Train the hybrid on the settings' prior; ``out`` is the setting ``model`` where not given; returns its card.

    Published days are stale then: ``backfill`` with ``stale`` makes them again. Raises ConfigError without prior or
    model.
    """
    with running(config, model=out) as settings:
        if settings.prior is None or settings.model is None:
            raise ConfigError(
                "Training needs a prior and an output folder for the model", remedy="Set `prior` and `model`."
            )
        return fit(settings)
