"""``vadose evaluate``: the hybrid and the baselines on the same held-out truth, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from downscaler.errors import ConfigError
from flows import console
from flows.commands.options import Json, PriorPath, Seed

if TYPE_CHECKING:
    from downscaler.ground.prior import Prior
    from downscaler.method.hybrid import Model
    from downscaler.skill.crossval import Judged
    from flows.settings import Settings

ROWS_PER_DAY = 200  # fewer would be spread over so many days that reading them costs more than they teach
UNDEFINED = "nearest has no within_block_r and no seam_index: it is constant inside SMAP cells."
SHOWN = ("rmse", "ubrmsd", "r", "within_block_r", "seam_index", "coverage_90", "conservation")
_OF_A_TRUTH: dict[str, Any] = {"footprint": 0.0, "smooth-share": 0.67, "smooth-km": 60.0, "revisit": "0,2"}
"""What the options of --truth are unless given."""


class SplitKind(StrEnum):
    """What is held out."""

    TIME = "time"
    BLOCKS = "blocks"


def evaluate(
    context: typer.Context,
    prior: PriorPath = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="Evaluate this trained model; unset, a model is trained for each fold."),
    ] = None,
    split: Annotated[
        SplitKind, typer.Option(help="Hold out periods of time, or 27 km spatial blocks.")
    ] = SplitKind.TIME,
    noise: Annotated[
        float, typer.Option(metavar="SD", help="Standard deviation of the noise added to the coarse input, m3 m-3.")
    ] = 0.0,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="TRUTH",
            help="Judge MODEL with the statistics of PRIOR on this other record: the analysis on all days, the hybrid "
            "on days with a pass.",
        ),
    ] = None,
    footprint: Annotated[
        float, typer.Option(metavar="KM", help="With --truth: 3 dB width of SMAP's footprint.")
    ] = _OF_A_TRUTH["footprint"],
    smooth_share: Annotated[
        float, typer.Option(metavar="SHARE", help="With --truth: share of the noise's variance common to neighbours.")
    ] = _OF_A_TRUTH["smooth-share"],
    smooth_km: Annotated[
        float, typer.Option(metavar="KM", help="With --truth: distance over which that share is common.")
    ] = _OF_A_TRUTH["smooth-km"],
    revisit: Annotated[
        str, typer.Option(metavar="DAYS", help="With --truth: days of every five with a pass, such as 0,2.")
    ] = _OF_A_TRUTH["revisit"],
    weather: Annotated[
        Path | None,
        typer.Option(
            metavar="WEATHER", help="With --truth: weather store of its days, moved beyond the prior's record."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Write a report (Markdown) and its figures (PNG) here."),
    ] = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Evaluate the hybrid and the baselines on held-out days or blocks of a prior, with 95 % intervals.

    The coarse input is the mean of the prior over SMAP's 9 km cells, plus noise; the truth is the prior itself. The
    result shows how well the sub-grid pattern is recovered, not how accurate SMAP or ParFlow-CLM are.
    """
    from downscaler.report.model_files import write_evaluation
    from downscaler.stores.model import load_model
    from downscaler.stores.prior import open_prior
    from flows.settings import load_settings

    asked = {"footprint": footprint, "smooth-share": smooth_share, "smooth-km": smooth_km, "revisit": revisit}
    if truth is None and (asked != _OF_A_TRUTH or weather is not None):
        given = [name for name, value in asked.items() if value != _OF_A_TRUTH[name]] + ["weather"] * bool(weather)
        raise ConfigError(
            "These options need --truth", value=", ".join(f"--{name}" for name in given), remedy="Give --truth TRUTH."
        )
    settings = load_settings(context.obj.config, prior=prior, seed=seed)
    if settings.prior is None:
        raise ConfigError("The evaluation needs a prior", remedy="Give --prior PRIOR.")
    opened, loaded = open_prior(settings.prior), None if model is None else load_model(model, settings.model_sha256)
    if truth is not None:
        how = {"footprint": footprint, "error": noise, "smooth_share": smooth_share, "smooth_km": smooth_km}
        document = _elsewhere(opened, loaded, truth, {**how, "revisit": _revisit(revisit)}, settings, weather)
    else:
        judged = judge(opened, settings, split=split.value, noise=noise, model=loaded)
        document = as_document(judged, opened, split=split.value, noise=noise, model=loaded)
    if out is not None:
        write_evaluation(out, document)
    if json:
        console.say_json(document)
        return
    console.out.print(methods_table(document))
    for note in document["notes"]:
        console.say(f"note: {note}")
    if out is not None:
        console.say(f"report: {out}")


def _revisit(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError("The revisit is a list of days", value=text, allowed="such as 0,2") from None


def _elsewhere(
    prior: Prior,
    model: Model | None,
    truth: Path,
    how: Mapping[str, Any],
    settings: Settings,
    weather: Path | None,
) -> dict[str, Any]:
    """The document of a model judged on another record."""
    from downscaler.method.coarse.observation import Observation
    from downscaler.skill.crossval import as_dict
    from downscaler.stores.prior import open_prior
    from downscaler.stores.weather import open_weather
    from flows.studies.elsewhere import Elsewhere, judge_elsewhere

    if model is None:
        raise ConfigError("--truth judges a trained model", remedy="Give --model MODEL.")
    record, observation = open_prior(truth), Observation(**how)
    beside = None if weather is None else open_weather(weather)
    what = Elsewhere(
        prior=prior, model=model, truth=record, observation=observation, weather=beside, seed=settings.seed
    )
    with console.progress_bar("evaluating") as tell:
        figures = judge_elsewhere(what, progress=lambda done, total: tell(done, total, "evaluating: days of the truth"))
    return {
        **as_dict(figures),
        "applicability": {},
        "split": f"another record: {record.title}",
        "noise": observation.error,
        "observation": observation.as_dict(),
        "weather": beside is not None,
        "grid": "M09",
        "prior": prior.title,
        "period": list(record.period),
        "model": model.card["title"],
        "simulated": prior.simulated or record.simulated,
        "notes": [
            "Statistics are the prior's, as in publishing. analysis and calendar (the prior's day-of-year mean) are "
            "judged on all days, the other methods on days with a pass.",
            UNDEFINED,
        ],
    }


def judge(prior: Prior, settings: Settings, *, split: str, noise: float, model: Model | None = None) -> Judged:
    """All methods on a prior, with a progress bar over the folds."""
    from dataclasses import replace

    from downscaler.skill.crossval import DEFAULTS, cross_validate

    given: dict[str, Any] = {"rows": settings.training_rows, "rounds": settings.training_rounds, "seed": settings.seed}
    options = replace(DEFAULTS[split], **{name: value for name, value in given.items() if value is not None})
    days = max(10, min(options.days_per_tile, options.rows // ROWS_PER_DAY))
    options = replace(options, days_per_tile=days)
    with console.progress_bar("evaluating") as tell:
        return cross_validate(
            prior,
            split=split,
            noises=(noise,),
            model=model,
            options=options,
            progress=lambda what, done, total: tell(done, total, f"evaluating: {what}"),
        )


def as_document(
    judged: Judged, prior: Prior, *, split: str, noise: float, model: Model | None = None
) -> dict[str, Any]:
    """What is written: ``methods`` (method, figure, value and interval), and what they were made from."""
    from downscaler.skill.crossval import as_dict

    return {
        **as_dict(judged.figures[noise]),
        "applicability": as_dict(judged.applicability[noise])["methods"],
        "split": split,
        "noise": noise,
        "grid": "M09",
        "prior": prior.title,
        "period": list(prior.period),
        "model": None if model is None else model.card["title"],
        "simulated": prior.simulated,
        "notes": [*judged.notes, UNDEFINED],
    }


def _split(name: str) -> str:
    return f"split in {name}" if name in tuple(SplitKind) else name


def methods_table(document: Mapping[str, Any]) -> console.Table:
    """One row per method, each figure above its 95 % interval; the caption explains the figures."""
    from downscaler.product import SIMULATED_LABEL
    from downscaler.report.model import cell
    from downscaler.skill.evaluation import FIGURES

    stamp = f" ({SIMULATED_LABEL})" if document["simulated"] else ""
    title = f"{document['prior']}{stamp}: {_split(document['split'])}, noise {document['noise']:g} m3 m-3"
    made = console.table(title, "method", *(f"{name}>" for name in SHOWN))
    for method, figures in document["methods"].items():
        shown = (cell(name, figures.get(name)).rstrip("]") for name in SHOWN)
        made.add_row(method, *(text.replace(" [", "\n").replace(", ", "..") for text in shown))
    legend = [f"{name}: {FIGURES[name]}" for name in SHOWN]
    beyond = document["methods"].get("hybrid", {}).get("beyond_bounds")
    extra = [f"hybrid, {FIGURES['beyond_bounds']}: {cell('beyond_bounds', beyond)}"] if beyond else []
    made.caption = "\n".join([*legend, *extra])
    return made
