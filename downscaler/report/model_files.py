"""Writes a model's card, skill report and figures, and the report of an evaluation."""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from downscaler.explain.explain import Explanation
from downscaler.explain.text import as_document, as_markdown, as_table
from downscaler.report.model import Evaluations, evaluation_report, model_card, skill_report
from downscaler.report.model_figures import coverage_figure, explanation_figure, pareto_figure, skill_figure
from downscaler.report.style import png
from downscaler.report.trained import Methods, held_out_methods

CARD, REPORT, FIGURES = "model_card.md", "skill_report.md", "figures"
EVALUATION = "evaluation.md"
SKILL_FIGURE = f"{FIGURES}/skill.png"
_SHOWN = {
    "rmse": "RMSE (m³ m⁻³)",
    "ubrmsd": "ubRMSD (m³ m⁻³)",
    "within_block_r": "R inside SMAP cells",
    "seam_index": "seam index (1: none)",
}


def write_report(
    folder: Path,
    card: Mapping[str, Any],
    evaluations: Evaluations | None = None,
    *,
    explanations: Sequence[Explanation] = (),
    pareto: Sequence[Mapping[str, Any]] = (),
) -> list[Path]:
    """Write a model's card, skill report and figures into its folder; returns the files, figures first.

    The model's own files are not touched and its digest does not depend on these. Each file appears whole; figures of
    an earlier report that are not of this one are removed.

    Args:
        folder: the model folder.
        card: the model's ``card``.
        evaluations: by title ("time, noise 0.04"): ``{"methods": {NAME: {FIGURE: {"value", "low", "high"}}}}``, perhaps
            with ``notes``; without them the skill on the training's held-out days is drawn.
        explanations: of the model's branches.
        pareto: rows with depth, trees, rmse, seconds_per_million and perhaps chosen; else the card's own ``pareto``.
    """
    evaluations, folder = evaluations or {}, Path(folder)
    pareto = pareto or card.get("pareto", ())
    simulated = bool(card["simulated"])
    splits = {title: e["methods"] for title, e in evaluations.items()} or held_out_methods(card)
    pictures = _skill_pictures(splits, simulated=simulated)
    if pareto:
        pictures["pareto"] = pareto_figure(pareto, simulated=simulated)
    for explanation in explanations:
        pictures[f"features_{_slug(explanation.branch)}"] = explanation_figure(explanation, simulated=simulated)
    (folder / FIGURES).mkdir(parents=True, exist_ok=True)
    files = [_put(folder / FIGURES / f"{name}.png", png(figure)) for name, figure in pictures.items()]
    for stale in set((folder / FIGURES).glob("*.png")) - set(files):
        stale.unlink()
    gallery = "".join(f"![{file.stem.replace('_', ' ')}]({FIGURES}/{file.name})\n\n" for file in files)
    report = skill_report(card, evaluations, explanations)
    files.append(_put(folder / REPORT, f"{report}\n# Figures\n\n{gallery}".rstrip().encode() + b"\n"))
    files.append(_put(folder / CARD, model_card(card, evaluations).encode()))
    return files


def write_evaluation(folder: Path, evaluation: Mapping[str, Any]) -> list[Path]:
    """Write what ``vadose evaluate`` found as evaluation.md, with its figures beside it; returns the files.

    ``evaluation`` is as ``report.evaluation_report`` takes it.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    splits = {f"{evaluation['split']}, noise {evaluation['noise']:g}": evaluation["methods"]}
    pictures = _skill_pictures(splits, simulated=bool(evaluation["simulated"]))
    files = [_put(folder / f"{name}.png", png(figure)) for name, figure in pictures.items()]
    gallery = "".join(f"![{file.stem}]({file.name})\n\n" for file in files)
    text = f"{evaluation_report(evaluation)}\n## Figures\n\n{gallery}".rstrip() + "\n"
    return [*files, _put(folder / EVALUATION, text.encode())]


def _skill_pictures(splits: Mapping[str, Methods], *, simulated: bool) -> dict[str, Figure]:
    every = [figures for methods in splits.values() for figures in methods.values()]
    shown = {name: label for name, label in _SHOWN.items() if any(name in figures for figures in every)}
    pictures = {}
    if shown:
        pictures["skill"] = skill_figure(splits, shown, simulated=simulated, title="Skill on held-out truth")
    if any("coverage_90" in figures for figures in every):
        pictures["coverage"] = coverage_figure(splits, simulated=simulated)
    return pictures


def write_explanations(folder: Path, explanations: Sequence[Explanation], *, simulated: bool) -> list[Path]:
    """Write explanations as explanation.csv, .json and .md and one figure a branch; returns the files."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row for explanation in explanations for row in as_table(explanation)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["branch"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    documents = [as_document(explanation) for explanation in explanations]
    files = [
        _put(folder / "explanation.csv", text.getvalue().encode()),
        _put(folder / "explanation.json", (json.dumps(_without_nan(documents), indent=2) + "\n").encode()),
        _put(folder / "explanation.md", "\n".join(as_markdown(e) for e in explanations).encode()),
    ]
    for explanation in explanations:
        picture = png(explanation_figure(explanation, simulated=simulated))
        files.append(_put(folder / f"features_{_slug(explanation.branch)}.png", picture))
    return files


def _without_nan(value: Any) -> Any:
    """The same with null for NaN, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"


def _put(path: Path, content: bytes) -> Path:
    """Write a file so that it is there whole or not at all."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
