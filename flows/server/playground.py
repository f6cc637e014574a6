"""The playground as a Prefect flow, for a schedule and its history; all work is in ``flows.studies.playground``."""

from __future__ import annotations

from pathlib import Path

from prefect import flow, task

from flows.server.running import clean_errors
from flows.settings import load_settings
from flows.studies.playground import PlaygroundJob, make_playground
from flows.studies.playground_job import design_of, job_of


@task
def experiment(job: PlaygroundJob) -> dict[str, str]:
    """Work out what is missing of an experiment and write its report; verdicts by finding."""
    with clean_errors():
        return {finding.title: finding.verdict for finding in make_playground(job)}


@flow(flow_run_name="{domain}")
def playground(
    domain: str,
    out: Path,
    stations: int = 30,
    replicates: int = 20,
    scheduler: str | None = None,
    config: Path | None = None,
) -> dict[str, str]:
    """Ask the three findings of a domain by the settings of ``config`` and the environment (``vadose playground``)."""
    settings = load_settings(config, domain=domain)
    design = design_of(settings, stations=stations, replicates=replicates)
    return experiment(job_of(settings, domain, out, design, scheduler=scheduler))
