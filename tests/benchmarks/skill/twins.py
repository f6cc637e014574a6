"""What wrong physics and wrong storms cost: the analysis on a truth of the prior's own model, and on another's.

``python -m tests.benchmarks.skill.twins WORK [--domain W,S,E,N] [--seed N] [--noise SD]`` makes a year of the
sample's prior run, trains on it, and judges on the 150 days after: the identical twin (the prior run itself goes on)
and the fraternal twin (the nature run: other conductivities, porosity, evaporation and canopy, storms where they
were). SMAP's passes have the stated error, two thirds of it smooth over 60 km. Weather is the prior run's: exact for
the first twin, out of place and half wrong for the second. RMSE (m3 m-3) with 95 % intervals, and the fraternal
twin's over the identical one's; ``prior`` is the prior run's own day.

Then the sparse-truth check: what so many stations, in random places or as siting guides ask for, would make of the
analysis' error and of what wrong physics costs, beside what is true on all cells.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from downscaler.ground.grid import M09, Domain
from downscaler.learn.training import train
from downscaler.method.coarse.observation import Observation
from downscaler.method.features import static_sources
from downscaler.method.pattern import ratio_to_m01
from downscaler.playground.stations.siting import GIVEN
from downscaler.playground.world import siting
from downscaler.product import domain as named
from downscaler.simulation.files.stand_in import PriorWriter
from downscaler.simulation.pieces import SPIN_UP, nature_settings, piece_land, pieces, prior_settings, simulate
from downscaler.simulation.sample import sample_lattice
from downscaler.skill.crossval import as_dict
from downscaler.skill.evaluation import Evaluation
from downscaler.sources.parflow import open_source
from downscaler.sources.weather import open_weather_source
from downscaler.stores.model import load_model, save_model
from downscaler.stores.prior import build_prior, open_prior
from downscaler.stores.weather import add_days, build_weather, open_weather
from flows.studies.elsewhere import Elsewhere, judge_elsewhere

DRAWS, STATIONS, READING = 1000, (5, 15, 50, 150), 0.02  # of networks; stations of each; noise of a reading, m3 m-3
FIRST, YEAR, JUDGED = dt.date(2022, 5, 1), 365, 150
RUNS = ("year", "identical", "fraternal")


def make(work: Path, domain: Domain, seed: int) -> None:
    """The runs' folders and their stores."""
    lattice, begin = sample_lattice(domain), FIRST + dt.timedelta(days=YEAR)
    (whole,) = pieces(lattice)
    ground = piece_land(lattice, whole, seed)
    spans = {"year": (FIRST, YEAR), "identical": (begin, JUDGED), "fraternal": (begin, JUDGED)}
    made: dict[str, list[Any]] = {name: [] for name in RUNS}
    for settings, first, days in ((prior_settings, FIRST, YEAR + JUDGED), (nature_settings, begin, JUDGED)):
        for day, _ in simulate(ground, *settings(seed), first=first, days=days, spin_up=SPIN_UP):
            name = "fraternal" if settings is nature_settings else "year" if day.date < begin else "identical"
            if day.date >= first:
                rain, warmth = day.weather.rain.sum(axis=0), day.weather.temperature
                made[name].append(np.stack([np.mean(day.moisture, axis=0), rain, warmth]))
    for name, (first, days) in spans.items():
        (work / name).mkdir(parents=True)
        with PriorWriter(work / name, lattice, first, days, max(whole.shape)) as writer:
            writer.add(whole, ground.land.rasters(), np.asarray(made.pop(name), np.float32))
        if name == "fraternal":  # its soils hold more than its class's: the truth's bounds are not the prior's to know
            with netCDF4.Dataset(work / name / "static.nc", "r+") as statics:
                statics["porosity"][:] = np.minimum(1.3 * statics["porosity"][:], 0.9)
        source = open_source("netcdf", work / name / "daily.nc", work / name / "static.nc")
        build_prior(source, domain, work / f"{name}-prior")
        source.close()
    build_weather(work / "weather", domain)
    for name in ("year", "identical"):
        source = open_weather_source("netcdf", work / name / "daily.nc")
        add_days(work / "weather", source, source.days)
        source.close()
    save_model(train(open_prior(work / "year-prior"), grids=[M09]), work / "model")


def prior_figures(work: Path, positions: list[int]) -> dict[str, Any]:
    """The prior run's own days against the fraternal truth."""
    own, truth = (open_prior(work / f"{name}-prior").data for name in ("identical", "fraternal"))
    judged = Evaluation(truth["active"].values.astype(bool), ratio_to_m01(M09))
    for position in positions:
        made, wanted = (data["soil_moisture"].isel(time=position).values.astype(np.float64) for data in (own, truth))
        coarse = Observation(error=0.0).coarse(made, truth["active"].values.astype(bool), ratio_to_m01(M09))
        judged.add(wanted, coarse, {"prior": made}, {})
    return as_dict(judged.figures(seed=0))["methods"]["prior"]


def sparse(work: Path, seen: dict[str, list[np.ndarray]]) -> dict[str, Any]:
    """Analysis' RMSE on the fraternal twin, and over the identical one's, as networks of stations tell them.

    Args:
        work: of the stores.
        seen: truth less analysis [ny, nx] of each day by twin.
    """
    truth = open_prior(work / "fraternal-prior").data
    whole = np.isfinite(np.stack([day for days in seen.values() for day in days])).all(axis=0)
    errors = {twin: np.stack(days)[:, whole] for twin, days in seen.items()}
    ground = {name: field.astype(np.float32) for name, field in static_sources(truth).items()}
    count_all = int(whole.sum())
    chances = {"random": np.full(count_all, 1.0 / count_all), "sited": GIVEN.weights(siting(ground, whole))}
    rng, found = np.random.default_rng(0), {}
    true = {twin: float(np.sqrt((error**2).mean())) for twin, error in errors.items()}
    found["all cells"] = {"rmse": true["fraternal"], "loss": true["fraternal"] / true["identical"]}
    for place, chance in chances.items():
        for count in STATIONS:
            told = []
            for _ in range(DRAWS):
                cells = rng.choice(count_all, count, replace=False, p=chance)
                read = {t: e[:, cells] + rng.normal(0.0, READING, (len(e), count)) for t, e in errors.items()}
                rmse = {t: np.sqrt((e**2).mean()) for t, e in read.items()}
                less = {t: np.sqrt(max((e**2).mean() - READING**2, 1e-8)) for t, e in read.items()}
                told.append((rmse["fraternal"], less["fraternal"], less["fraternal"] / less["identical"]))
            low, middle, high = np.quantile(np.array(told), [0.025, 0.5, 0.975], axis=0)
            names = ("rmse", "rmse less noise", "loss")
            ranges = {n: [round(float(e[k]), 4) for e in (low, middle, high)] for k, n in enumerate(names)}
            found[f"{count} {place}"] = ranges | {"loss seen": float(np.mean(np.array(told)[:, 2] > 1.0))}
    return found


def main() -> None:
    """Make what is not there, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--domain", default="-112.4,34.6,-111.6,35.3")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--noise", type=float, default=0.04)
    parser.add_argument("--days", type=int, default=40, help="days that are judged")
    given = parser.parse_args()
    if not (given.work / "model").is_dir():
        make(given.work, named(given.domain), given.seed)
    prior, model = open_prior(given.work / "year-prior"), load_model(given.work / "model")
    found: dict[str, Any] = {}
    seen: dict[str, dict[str, list[np.ndarray]]] = {}
    for twin in RUNS[1:]:
        what = Elsewhere(
            prior=prior,
            model=model,
            truth=open_prior(given.work / f"{twin}-prior"),
            observation=Observation(error=given.noise),
        )
        for told, weather in (("without weather", None), ("with weather", open_weather(given.work / "weather"))):
            days = seen.setdefault(told, {}).setdefault(twin, [])
            judged = judge_elsewhere(
                replace(what, weather=weather, passes={}),
                most=given.days,
                watch=lambda truth, made, days=days: days.append(truth - made),
            )
            figures = as_dict(judged)["methods"]
            kept = ("rmse", "ubrmsd", "coverage_90")
            found[f"{twin}, {told}"] = {m: {k: f[k] for k in kept if k in f} for m, f in figures.items()}
            print(json.dumps({f"{twin}, {told}": found[f"{twin}, {told}"]}), flush=True)
    positions = np.unique(np.linspace(30, JUDGED - 1, given.days).astype(int))
    found["prior, fraternal"] = prior_figures(given.work, [int(p) for p in positions])
    print(json.dumps({"prior, fraternal": found["prior, fraternal"]}), flush=True)
    for told in ("without weather", "with weather"):
        ratio = [found[f"{twin}, {told}"]["analysis"]["rmse"]["value"] for twin in ("fraternal", "identical")]
        print(f"analysis {told}: fraternal / identical {ratio[0] / ratio[1]:.2f}")
        print(json.dumps({f"sparse truth, {told}": sparse(given.work, seen[told])}), flush=True)


if __name__ == "__main__":
    main()
