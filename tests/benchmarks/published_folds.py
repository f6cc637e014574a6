"""The analysis on contiguous fifths of a record, each published from prior and model of the other days.

``python -m tests.benchmarks.published_folds RUN WORK DOMAIN --statics NC [--weather STORE] [--every N] [--folds K]``
takes a run's ``daily.nc``; for each fifth it builds a prior without it and the week to either side, trains, and judges
every N-th day of the fifth: SMAP's error of 0.04 m3 m-3 white and daily, and two thirds of it smooth over 60 km on two
days of five, each without weather and with that of ``STORE`` (days moved beyond the record, as ``vadose evaluate``
moves them). Prints RMSE and coverage at 1 km with 95 % intervals, all folds together and one by one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from downscaler.ground.grid import M09, Domain
from downscaler.learn.training import train
from downscaler.method.coarse.analysis import WINDOW
from downscaler.method.coarse.observation import Observation
from downscaler.method.pattern import ratio_to_m01
from downscaler.product import domain as named
from downscaler.skill.crossval import as_dict
from downscaler.skill.evaluation import Evaluation
from downscaler.skill.folds import FOLDS, GAP_DAYS
from downscaler.sources.parflow import open_source
from downscaler.stores.model import load_model, save_model
from downscaler.stores.prior import build_prior, open_prior
from downscaler.stores.weather import open_weather
from flows.studies.elsewhere import Elsewhere, _judge_day

SENSORS = {
    "white, daily": Observation(error=0.04, smooth_share=0.0, revisit=(0, 1, 2, 3, 4)),
    "smooth, two days of five": Observation(error=0.04),
}


def built(run: Path, statics: Path, domain: Domain, out: Path, held: tuple[int, int] | None) -> Path:
    """A prior of a run's days but those from a week before ``held`` (first and last) to a week after."""
    path = out / "prior"
    if not path.is_dir():
        out.mkdir(parents=True, exist_ok=True)
        with xr.open_dataset(run, decode_times=False) as whole:
            number = np.arange(whole.sizes["time"])
            first, last = held or (len(number), -1)
            keep = (number < first - GAP_DAYS) | (number > last + GAP_DAYS)
            whole.isel(time=np.flatnonzero(keep)).to_netcdf(out / "daily.nc")
        source = open_source("netcdf", out / "daily.nc", statics)
        build_prior(source, domain, path)
        source.close()
    return path


def short(figures: dict[str, Any]) -> dict[str, Any]:
    """RMSE and coverage of what is asked for, with their intervals."""
    return {
        method: {
            name: [round(row[name][end], 4) for end in ("value", "low", "high")]
            for name in ("rmse", "coverage_90")
            if name in row
        }
        for method, row in figures.items()
        if method in ("analysis", "calendar", "hybrid", "climatological_pattern")
    }


def main() -> None:
    """Build, train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("domain")
    parser.add_argument("--statics", type=Path, required=True)
    parser.add_argument("--weather", type=Path)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--folds", type=int, nargs="*", default=list(range(FOLDS)))
    given = parser.parse_args()
    domain = named(given.domain)
    truth = open_prior(built(given.run, given.statics, domain, given.work / "whole", None))
    active = truth.data["active"].values.astype(bool)
    ways = [(sensor, told) for sensor in SENSORS for told in (False, *((True,) if given.weather else ()))]
    pooled = {way: [Evaluation(active, ratio_to_m01(M09)) for _ in range(2)] for way in ways}
    for number, held in enumerate(np.array_split(np.arange(truth.data.sizes["time"]), FOLDS)):
        if number not in given.folds:
            continue
        folder = given.work / f"fold-{number}"
        prior = open_prior(built(given.run, given.statics, domain, folder, (int(held[0]), int(held[-1]))))
        if not (folder / "model").is_dir():
            save_model(train(prior, grids=[M09]), folder / "model")
        model = load_model(folder / "model")
        for way in ways:
            what = Elsewhere(
                prior=prior,
                model=model,
                truth=truth,
                observation=SENSORS[way[0]],
                weather=open_weather(given.weather) if way[1] else None,
            )
            alone = [Evaluation(active, ratio_to_m01(M09)) for _ in range(2)]
            for position in held[held >= WINDOW][given.every // 2 :: given.every]:
                _judge_day(int(position), what, active, *alone)
            for whole, part in zip(pooled[way], alone, strict=True):
                _add(whole, part)
            print(json.dumps({"fold": number, "way": way, **_told(alone)}), flush=True)
    for way, each in pooled.items():
        print(json.dumps({"folds": given.folds, "way": way, **_told(each)}), flush=True)


def _add(whole: Evaluation, part: Evaluation) -> None:
    """Count what another evaluation counted."""
    for name, record in part._records.items():
        mine = whole._records.setdefault(name, type(record)(bounded=record.bounded))
        for each in ("sums", "within", "seam", "misfit", "errors"):
            getattr(mine, each).extend(getattr(record, each))


def _told(judged: list[Evaluation]) -> dict[str, Any]:
    """Figures of all days, and of the days with a pass."""
    figures = {**judged[1].figures(seed=0), **judged[0].figures(seed=0)}
    return short(as_dict(figures)["methods"])  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
