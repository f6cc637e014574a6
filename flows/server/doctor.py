"""The doctor's checks as a Prefect flow: what stands on a worker's machine, seen on the server's pages."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact

from flows.doctor.examination import examination
from flows.doctor.findings import Finding, require_well
from flows.server.artifacts import key_of
from flows.server.running import clean_errors, running
from flows.settings import Settings


@task(timeout_seconds=900)
def examine(settings: Settings) -> list[Finding]:
    """All findings; a check that fails is one of them."""
    with clean_errors():
        return list(examination(settings))


@flow(flow_run_name="doctor")
def doctor(config: Path | None = None) -> list[dict[str, Any]]:
    """Check all that a real day needs (``vadose doctor``); the table stands as an artifact.

    Raises DoctorError where a check failed.
    """
    with running(config) as settings:
        findings = examine(settings)
        table = [asdict(finding) for finding in findings]
        create_table_artifact(table=table, key=key_of(settings.domain, "doctor"), description="What the product needs")
        require_well(findings)
        return table
