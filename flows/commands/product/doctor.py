"""``vadose doctor``: whether all that a real day needs is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flows import console
from flows.commands.options import Json

if TYPE_CHECKING:
    from flows.doctor.findings import Finding, Verdict

_COLOURS: dict[Verdict, str] = {"pass": "green", "warn": "yellow", "fail": "red", "skip": "dim"}


def doctor(
    context: typer.Context,
    local: Annotated[
        bool, typer.Option("--local", help="Only this machine, its disks and the catalogue's store (readiness).")
    ] = False,
    json: Json = False,
) -> None:
    """Check all that a real day needs: machine, inputs, catalogue, log-in, archives, Prefect.

    Each service is asked by one small real request: a search, the first bytes of a granule, one value, one conditional
    write. Nothing is published and no credential is shown. The exit code is 66 where a check failed; warnings leave it
    at 0.
    """
    from flows.doctor.examination import examination
    from flows.doctor.findings import require_well
    from flows.settings import load_settings

    settings = load_settings(context.obj.config)
    findings = []
    with console.progress_bar("checking") as tell:
        for finding in examination(settings, local=local):
            findings.append(finding)
            tell(len(findings), len(findings), finding.check)
    if json:
        console.say_json([asdict(finding) for finding in findings])
    else:
        console.out.print(report(findings))
    require_well(findings)


def report(findings: Sequence[Finding]) -> console.Table:
    """One row a check: what was seen, and below it what to do."""
    made = console.table("Doctor", "check", "verdict", "seen, and what to do")
    for finding in findings:
        told = console.Text(finding.told)
        if finding.remedy:
            told.append(f"\n{finding.remedy}", style="bold")
        made.add_row(finding.check, console.Text(finding.verdict, style=_COLOURS[finding.verdict]), told)
    counts = ((verdict, sum(finding.verdict == verdict for finding in findings)) for verdict in _COLOURS)
    made.caption = ", ".join(f"{count} {verdict}" for verdict, count in counts if count)
    return made
