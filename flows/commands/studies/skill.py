"""The demo's verdict: published days and their baselines against the simulated truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from flows import console

if TYPE_CHECKING:
    import datetime as dt

    from downscaler.skill.interval import Interval
    from flows.day.jobs import DayJob

FIELDS = ("soil_moisture", "lower", "upper")
SHOWN = ("rmse", "ubrmsd", "within_block_r", "seam_index", "coverage_90")


def score(job: DayJob, dates: Iterable[dt.date], truth: Path) -> dict[str, dict[str, Interval]]:
    """Figures of the hybrid as published, and of the methods that it has to beat, on the same cells and days.

    Args:
        job: what the days were made with; its domain has to fit into memory.
        dates: published days.
        truth: the sample's truth.nc.
    """
    import numpy as np

    from catalog.reading.rasters import read_rasters
    from downscaler.method.baselines import baselines
    from downscaler.method.features import Ground
    from downscaler.simulation.files.truth import read_truth
    from downscaler.skill.evaluation import Evaluation
    from downscaler.sources.smap import read_day
    from flows.day.granules import locate
    from flows.day.inputs import prepare

    inputs = prepare(job)
    whole = inputs.domain.window()
    data = inputs.prior.window(inputs.domain, whole.relative_to(whole)).load()
    ground, evaluation = None, None
    for date in dates:
        day = read_day(locate(date, job), inputs.domain, date=date)
        if ground is None or evaluation is None:
            ground = Ground(data, day.grid)
            evaluation = Evaluation(ground.active, ground.ratio)
        coarse = np.where(day.data["recommended"].values, day.data["soil_moisture"].values, np.nan)
        published = {k: v.astype(np.float64) for k, v in read_rasters(job.catalog, inputs.domain, date, FIELDS).items()}
        prior_day = data["soil_moisture"].sel(time=np.datetime64(date)).values.astype(np.float64)
        methods = {"hybrid": published["soil_moisture"], **baselines(coarse, ground, prior_day)}
        evaluation.add(read_truth(truth, date), coarse, methods, {"hybrid": (published["lower"], published["upper"])})
    return evaluation.figures() if evaluation else {}


def skill_table(figures: Mapping[str, Mapping[str, Interval]]) -> console.Table:
    """A row a method, each figure with its 95 % interval; what the figures are stands below."""
    from downscaler.skill.evaluation import FIGURES, as_table

    made = console.table("Against the simulated truth, with 95 % intervals", "method", *(f"{name}>" for name in SHOWN))
    for row in as_table(figures, SHOWN):
        made.add_row(*row)
    made.caption = "\n".join(f"{name}: {FIGURES[name]}" for name in SHOWN)
    return made
