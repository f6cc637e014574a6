"""The outlook on a season that it was not learned from, against persistence and climatology.

``python -m tests.benchmarks.skill.bench_outlook DATA [EVERY]``: learned from upper_verde_year, judged on upper_verde
and the other way, from the model's own surface; EVERY takes each such cell only.
``python -m tests.benchmarks.skill.bench_outlook CATALOG PRIOR TRUTH ORIGIN``: outlooks that a catalogue holds, by a
state learned from PRIOR, against the record of TRUTH; both are prior stores, and ORIGIN is the date under which the
catalogue has the first day of TRUTH. RMSE in m3 m-3 and coverage of the 90 % interval, with intervals of 95 % over
blocks of days.
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import numpy as np

from catalog.reading.rasters import read_rasters
from catalog.reading.stack import span_of, stacked_days
from downscaler import product
from downscaler.derived.outlook import LEADS, angles_of, learn_fading, look_ahead
from downscaler.stores.prior import open_prior
from tests.benchmarks.skill.bench_rootzone import read, told

NAMES = ("outlook", "persistence", "mean", "calendar")


def lines(squared: dict[int, dict[str, list[float]]], inside: dict[int, list[float]]) -> None:
    """A line a lead: RMSE of each method, coverage of the outlook, gain over the better rival."""
    for lead, methods in squared.items():
        errors = {name: np.asarray(values) for name, values in methods.items()}
        days = len(errors["outlook"])
        rmse = {name: told(lambda n, e=e: np.sqrt(e[n].mean()), days, 4) for name, e in errors.items()}
        rival = min((name for name in errors if name != "outlook"), key=lambda name: errors[name].mean())
        gain = told(lambda n, a=errors[rival], b=errors["outlook"]: 1 - np.sqrt(b[n].mean() / a[n].mean()), days, 3)
        held = np.asarray(inside[lead])
        print(
            f"  {lead:2} d  " + "  ".join(f"{name} {text}" for name, text in rmse.items())
            + f"  inside {told(lambda n, h=held: h[n].mean(), days, 2)}  gain on {rival} {gain}",
            flush=True,
        )  # fmt: skip


def seasons(data: Path, every: int) -> None:
    """Both seasons of the basin, each judged by what the other tells."""
    names = ("upper_verde_year", "upper_verde")
    records = {name: read(data / name / "daily.nc", ["soil_moisture"], every) for name in names}
    for own, other in (names, names[::-1]):
        (fields, angles), (judged, judged_angles) = records[own], records[other]
        theta, truth = fields["soil_moisture"], judged["soil_moisture"]
        fading = learn_fading(theta, angles)
        print(f"learned from {own}, judged on {other}, {truth.shape[1]} cells; given {fading.given[:, 0].astype(int)}")
        waves = np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], axis=1)
        known = np.isfinite(theta).all(axis=1)
        fitted = np.linalg.lstsq(waves[known], theta[known], rcond=None)[0]
        there = np.stack([np.ones_like(judged_angles), np.cos(judged_angles), np.sin(judged_angles)], axis=1)
        calendar, mean = there @ fitted, theta[known].mean(axis=0)
        squared = {lead: {name: [] for name in NAMES} for lead in LEADS}
        inside = {lead: [] for lead in LEADS}
        for start in range(len(truth) - max(LEADS)):
            made, error = look_ahead(truth[start], np.zeros(truth.shape[1]), dt.date(2019, 1, 1), fading)
            for number, lead in enumerate(LEADS):
                now = truth[start + lead]
                if not (np.isfinite(now).all() and np.isfinite(made[number]).all()):
                    continue
                rivals = (made[number], truth[start], mean, calendar[start + lead])
                for name, values in zip(NAMES, rivals, strict=True):
                    squared[lead][name].append(float(((values - now) ** 2).mean()))
                inside[lead].append(float((np.abs(made[number] - now) <= 1.645 * error[number]).mean()))
        lines({lead: methods for lead, methods in squared.items() if methods["outlook"]}, inside)


def published(catalog: Path, prior: Path, truth: Path, origin: dt.date) -> None:
    """Outlooks as they are published, where each lead has a value."""
    record, judged = open_prior(prior), open_prior(truth)
    ground = judged.domain
    target, source = product.under(product.OUTLOOK, ground), product.analysis_of(ground)
    first, last = span_of(catalog, target)
    angles = angles_of(record.data["time"].dt.dayofyear.values)
    theta = record.data["soil_moisture"].values.astype(np.float64)
    waves = np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], axis=1)
    fitted = np.linalg.lstsq(waves, theta.reshape(len(theta), -1), rcond=None)[0].reshape(3, *theta.shape[1:])
    mean, dates = theta.mean(axis=0), judged.data["time"].values.astype("datetime64[D]").tolist()
    squared = {lead: {name: [] for name in NAMES} for lead in LEADS}
    inside = {lead: [] for lead in LEADS}
    names = [variable.name for variable in product.OUTLOOK.variables[:-1]]
    span = [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]
    for day in (one.date for one in stacked_days(catalog, target, span, names)):
        made, start = read_rasters(catalog, target, day, names), read_rasters(catalog, source, day, ["soil_moisture"])
        for lead in LEADS:
            that = dates[0] + (day - origin) + dt.timedelta(days=lead)
            if that not in dates:
                continue
            now = judged.data["soil_moisture"].isel(time=dates.index(that)).values.astype(np.float64)
            angle = float(angles_of(np.asarray((day + dt.timedelta(days=lead)).timetuple().tm_yday)))
            calendar = fitted[0] + np.cos(angle) * fitted[1] + np.sin(angle) * fitted[2]
            value, error = made[f"soil_moisture_day{lead}"], made[f"uncertainty_day{lead}"]
            use = np.isfinite(value) & np.isfinite(now) & np.isfinite(mean)
            rivals = (value, start["soil_moisture"], mean, calendar)
            for name, values in zip(NAMES, rivals, strict=True):
                squared[lead][name].append(float(((values[use] - now[use]) ** 2).mean()))
            inside[lead].append(float((np.abs(value - now)[use] <= 1.645 * error[use]).mean()))
    print(f"{catalog}: {len(inside[1])} outlooks, {first} to {last}")
    lines(squared, inside)


if __name__ == "__main__":
    if len(sys.argv) > 3:
        published(*map(Path, sys.argv[1:4]), dt.date.fromisoformat(sys.argv[4]))
    else:
        seasons(Path(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 1)
