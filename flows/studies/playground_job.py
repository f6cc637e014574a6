"""The job of a playground, from a command or a schedule."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from downscaler.errors import ConfigError
from downscaler.playground import CELLS

if TYPE_CHECKING:
    from downscaler.playground.experiment import Design
    from flows.settings import Settings
    from flows.studies.playground import PlaygroundJob

NOISE = 0.03  # m3 m-3, about what the simulated sample's retrievals err by


def design_of(settings: Settings, *, stations: int, replicates: int, noise: float = NOISE) -> Design:
    """The design that a command line describes, before any network."""
    from downscaler.playground.experiment import Design
    from downscaler.playground.sensor import Sensor

    return Design(stations=stations, replicates=replicates, sensor=Sensor(noise=noise), seed=settings.seed)


def job_of(
    settings: Settings,
    domain: str | None,
    out: Path,
    design: Design,
    *,
    cells: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
) -> PlaygroundJob:
    """The job; raises ConfigError where there is no prior."""
    from flows.studies.playground import PlaygroundJob

    if settings.prior is None:
        name = domain or "NAME"
        raise ConfigError(
            "The playground needs a prior as its truth",
            value=f"domain {name}, no prior",
            remedy=f"Build one with `vadose prior build --domain {name} --source netcdf DAILY.nc --statics STATIC.nc "
            "--out PRIOR`, then give --prior PRIOR or set `prior` in vadose.toml.",
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return PlaygroundJob(
        prior=settings.prior,
        out=out,
        domain=domain,
        design=design,
        cells=cells or CELLS,
        workers=workers or cores,
        scheduler=scheduler,
    )
