"""``vadose playground``: what station networks do to downscaling, on a truth that is known everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows import console
from flows.commands.data.build import DomainName, Seed
from flows.studies.playground_job import NOISE

if TYPE_CHECKING:
    from downscaler.playground.findings import Finding

_COLOURS = {"yes": "green", "no": "red", "not clear": "yellow"}


def playground(
    context: typer.Context,
    domain: DomainName = None,
    prior: Annotated[Path | None, typer.Option(metavar="PRIOR", help="Prior that stands for the truth.")] = None,
    stations: Annotated[int, typer.Option(min=5, help="Stations of each layout.")] = 30,
    replicates: Annotated[int, typer.Option(min=2, help="Times that each layout is drawn and observed anew.")] = 20,
    network: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Stations of a real network: CSV or Parquet with lat and lon."),
    ] = None,
    propensity: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TOML with the log-odds of a station by covariate; without it a given one."),
    ] = None,
    noise: Annotated[
        float, typer.Option(min=0.0, max=0.2, metavar="SD", help="Noise of the coarse retrievals, m3 m-3.")
    ] = NOISE,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the report and of the finished cells.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that share the work; all cores without it.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler to work on instead, tcp://HOST:PORT.")
    ] = None,
    seed: Seed = None,
) -> None:
    """Ask the three findings of the paper of a domain: train and test on station layouts against a known truth.

    The prior is the truth; a coarse sensor and stations are simulated from it. Leaves DIR/playground.html and Parquet
    tables. A run that was interrupted goes on where it stopped: finished cells are kept.
    """
    from flows.settings import load_settings
    from flows.studies.playground import make_playground
    from flows.studies.playground_job import design_of, job_of

    settings = load_settings(context.obj.config, domain=domain, prior=prior, seed=seed)
    where = settings.domain if "domain" in settings.model_fields_set else None
    folder = out or Path("build/playground") / (where or "prior")
    design = design_of(settings, stations=stations, replicates=replicates, noise=noise)
    job = job_of(settings, where, folder, design, workers=workers, scheduler=scheduler)
    for finding in make_playground(job, network, propensity):
        console.out.print(finding_table(finding))
    console.say(f"report: {folder / 'playground.html'}")


def finding_table(finding: Finding) -> console.Table:
    """The verdict, and every difference with its interval."""
    made = console.table(f"{finding.title}: {finding.verdict}", "m3 m-3", "difference in RMSE>", "95 % interval>", "so")
    for difference in (*finding.deciding, *finding.beside):
        i = difference.interval
        words = difference.words if difference in finding.deciding else f"  beside: {difference.words}"
        shown = f"{i.low:+.4f} to {i.high:+.4f}"
        verdict = console.Text(difference.verdict, style=_COLOURS[difference.verdict])
        made.add_row(words, f"{i.value:+.4f}", shown, verdict)
    made.caption = f"{finding.question} {finding.rule}"
    return made
