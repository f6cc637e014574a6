"""``vadose playground``: how station networks affect downscaling, tested on a truth known everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from downscaler.playground import CELLS
from flows import console
from flows.commands.options import DomainName, PriorPath, Seed
from flows.studies.playground_job import NOISE

if TYPE_CHECKING:
    from downscaler.playground.findings import Finding

_COLOURS = {"yes": "green", "no": "red", "not clear": "yellow"}


def playground(
    context: typer.Context,
    domain: DomainName = None,
    prior: PriorPath = None,
    per_layout: Annotated[int, typer.Option(min=5, metavar="N", help="Number of stations in each layout.")] = 30,
    replicates: Annotated[int, typer.Option(min=2, metavar="N", help="How many times each layout is drawn.")] = 20,
    network: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Stations of a real network: ISMN, USCRN or other station data, or a table with lat and lon.",
        ),
    ] = None,
    propensity: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TOML with the log-odds of a station by covariate; unset, a built-in one."),
    ] = None,
    noise: Annotated[
        float, typer.Option(min=0.0, max=0.2, metavar="SD", help="Noise of the coarse retrievals, m3 m-3.")
    ] = NOISE,
    cells: Annotated[
        int, typer.Option(min=1000, metavar="N", help="Cells to hold at most; a larger domain is sampled.")
    ] = CELLS,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the report and finished cells of the experiment.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of parallel processes; unset, all cores.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler to use instead, tcp://HOST:PORT.")
    ] = None,
    seed: Seed = None,
) -> None:
    """Test station networks against a known truth: the paper's three findings, on your domain.

    The prior is the truth; a coarse sensor and stations are simulated from it. Writes DIR/playground.html and Parquet
    tables. An interrupted run resumes with the same command.
    """
    from flows.settings import load_settings
    from flows.studies.playground import make_playground
    from flows.studies.playground_job import design_of, job_of

    settings = load_settings(context.obj.config, domain=domain, prior=prior, seed=seed)
    where = settings.domain if "domain" in settings.model_fields_set else None
    folder = out or Path("build/playground") / (where or "prior")
    design = design_of(settings, stations=per_layout, replicates=replicates, noise=noise)
    job = job_of(settings, where, folder, design, cells=cells, workers=workers, scheduler=scheduler)
    for finding in make_playground(job, network, propensity):
        console.out.print(finding_table(finding))
    console.say(f"report: {folder / 'playground.html'}")


def finding_table(finding: Finding) -> console.Table:
    """The verdict, and every difference with its interval."""
    made = console.table(
        f"{finding.title}: {finding.verdict}", "m3 m-3", "difference in RMSE>", "95 % interval>", "verdict"
    )
    for difference in (*finding.deciding, *finding.beside):
        i = difference.interval
        words = difference.words if difference in finding.deciding else f"  also: {difference.words}"
        shown = f"{i.low:+.4f} to {i.high:+.4f}"
        verdict = console.Text(difference.verdict, style=_COLOURS[difference.verdict])
        made.add_row(words, f"{i.value:+.4f}", shown, verdict)
    made.caption = f"{finding.question} {finding.rule}"
    return made
