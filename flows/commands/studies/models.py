"""``vadose explain`` and ``vadose publish-model``: what a model learned, and its publication."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from downscaler.errors import ConfigError
from flows import console
from flows.commands.options import Json, ModelPath, PriorPath, PublishTo, Seed

if TYPE_CHECKING:
    from downscaler.explain.explain import Explanation
    from downscaler.ground.prior import Prior
    from downscaler.method.hybrid import Model


def explain(
    context: typer.Context,
    prior: PriorPath = None,
    model: ModelPath = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Write figures (PNG) and tables (CSV, JSON, Markdown) here."),
    ] = None,
    branch: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this branch of the model; may be given several times."),
    ] = None,
    rows: Annotated[int, typer.Option(min=100, help="Samples of the prior on which each branch is explained.")] = 4000,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Explain a model: Shapley values by group of predictors, and whether their direction agrees with physics."""
    from downscaler.explain.text import as_document
    from downscaler.report.model_files import write_explanations
    from downscaler.stores.model import load_model
    from downscaler.stores.prior import open_prior
    from flows.settings import load_settings

    settings = load_settings(context.obj.config, prior=prior, model=model, seed=seed)
    if settings.prior is None or settings.model is None:
        raise ConfigError("The explanation needs a prior and a model", remedy="Give --prior PRIOR --model MODEL.")
    opened, loaded = open_prior(settings.prior), load_model(settings.model, settings.model_sha256)
    found = list(explanations(opened, loaded, rows=rows, seed=settings.seed, branches=branch))
    if out is not None:
        write_explanations(out, found, simulated=opened.simulated)
    if json:
        console.say_json({explanation.branch: as_document(explanation) for explanation in found})
        return
    for explanation in found:
        console.out.print(families_table(explanation))
        console.out.print(directions_table(explanation))
    if out is not None:
        console.say(f"explanation: {out}")


def explanations(
    prior: Prior, model: Model, *, rows: int = 4000, seed: int = 0, branches: list[str] | None = None
) -> Iterator[Explanation]:
    """Each branch explained on rows of a prior, with a progress bar.

    Raises ConfigError when ``branches`` names one that the model does not have.
    """
    from downscaler.explain.explain import explain as shapley
    from downscaler.explain.sample import draw_sample

    named = {branch.name: branch for branch in model.branches.values()}
    unknown = [name for name in branches or () if name not in named]
    if unknown:
        raise ConfigError("The model has no such branch", value=", ".join(unknown), allowed=named)
    chosen = branches or list(named)
    with console.progress_bar("explaining", total=len(chosen)) as tell:
        for number, name in enumerate(chosen):
            tell(number, len(chosen), f"explaining {name}")
            sample = draw_sample(prior, named[name], rows=rows, seed=seed)
            yield shapley(named[name].mean, sample.rows, named[name].features, sample.day, branch=name, seed=seed)


def families_table(explanation: Explanation) -> console.Table:
    """One row per group of predictors: size with its interval, share, and share by wetness."""
    title = f"{explanation.branch}: what moves the correction ({explanation.rows} cells of {explanation.days} days)"
    states = list(explanation.states)
    made = console.table(title, "predictors", "mean |contribution| m3 m-3>", "share>", *(f"{s}>" for s in states))
    for family in explanation.families:
        size = family.mean_abs
        shares = [f"{100 * explanation.states[state][family.name]:.0f} %" for state in states]
        shown = f"{size.value:.5f} [{size.low:.5f}, {size.high:.5f}]"
        made.add_row(family.name, shown, f"{100 * family.share:.0f} %", *shares)
    return made


def directions_table(explanation: Explanation) -> console.Table:
    """One row per leading feature: rank correlation of value and contribution, verdict, sentence."""
    made = console.table(
        f"{explanation.branch}: direction", "feature", "rank correlation>", "agrees with physics", "in words"
    )
    for effect in explanation.effects:
        r = effect.rank_correlation
        made.add_row(effect.feature, f"{r.value:.2f} [{r.low:.2f}, {r.high:.2f}]", effect.agrees, effect.sentence)
    return made


def publish_model(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Model folder made by `vadose train`.")],
    out: PublishTo = None,
) -> None:
    """Publish a model with its card, report and figures as a STAC item with the MLM extension."""
    from catalog.publish.model import publish_model as publish
    from flows.settings import load_settings

    settings = load_settings(context.obj.config, catalog=out)
    console.say(publish(settings.catalog, model))
