"""Downloads a run into a folder by month and block; complete parts are not downloaded again."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import AbsentDataError, ConfigError, PriorCoverageError, PriorSchemaError, PriorUnreadableError
from downscaler.ground.grid import Domain, Span
from downscaler.ground.lattice import IJWindow
from downscaler.sources.parflow.hydrodata import client, soils, units
from downscaler.sources.parflow.hydrodata.datasets import RUNS, Run, run_of
from downscaler.sources.parflow.hydrodata.files import (
    MANIFEST,
    PARTIAL,
    Fields,
    absent_path,
    load,
    part_path,
    static_path,
    store,
    sweep,
    write,
)
from downscaler.sources.parflow.hydrodata.place import window_of
from downscaler.sources.parflow.hydrodata.series import forcing_days, series, shaped

BLOCK, BLOCK_HOURLY = 256, 128  # cells: a month of one layer is then about 16 MB of days, 100 MB of hours
_RECENT = 60  # days after its end in which a month may still be made available
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to fetch: a run over a window of its lattice and a period, with its weather if wanted.

    ``block`` is the side of the pieces in which it comes, in cells. ``hourly`` makes the daily mean from hourly
    saturation, 24 times as many numbers, instead of from the run's own daily soil moisture.
    """

    run: Run
    window: IJWindow
    start: dt.date
    end: dt.date
    forcing: bool = True
    hourly: bool = False
    block: int = BLOCK

    @classmethod
    def of(
        cls,
        dataset: str | None,
        domain: Domain,
        start: dt.date | None,
        end: dt.date | None,
        *,
        forcing: bool = True,
        hourly: bool = False,
    ) -> Request:
        """The request for a domain; without a period, the run's own.

        Raises ConfigError for an unknown run or hours that it does not have, PriorCoverageError for a period or a
        domain outside of it.
        """
        run = run_of(dataset)
        if hourly and not run.hourly:
            raise ConfigError(
                f"{run.dataset} has no hourly saturation",
                allowed=[name for name, other in RUNS.items() if other.hourly],
                remedy="Leave --hourly out: daily soil moisture is what it has.",
            )
        first, last = start or run.first, end or run.last
        if last is None or first < run.first or (run.last and last > run.last) or last < first:
            raise PriorCoverageError(
                f"{run.dataset} does not have that period",
                value=f"{first} to {last}",
                allowed=f"{run.first} to {run.last or 'a day given by --end'}",
            )
        block = BLOCK_HOURLY if hourly else BLOCK
        where = window_of(run.parent, domain)
        return cls(run=run, window=where, start=first, end=last, forcing=forcing, hourly=hourly, block=block)

    @property
    def months(self) -> list[tuple[dt.date, dt.date]]:
        """First and last day of each month's part in the period."""
        found, day = [], self.start
        while day <= self.end:
            following = (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
            found.append((day, min(following - dt.timedelta(days=1), self.end)))
            day = following
        return found

    @property
    def blocks(self) -> list[IJWindow]:
        """The window cut into blocks of at most ``block`` cells on a side."""
        rows, columns = (
            [Span(start=at, stop=min(at + self.block, span.stop)) for at in range(span.start, span.stop, self.block)]
            for span in (self.window.j, self.window.i)
        )
        return [IJWindow(i=i, j=j) for j in rows for i in columns]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the daily fields to fetch."""
        return ("soil_moisture", "precipitation", "air_temperature") if self.forcing else ("soil_moisture",)

    def manifest(self) -> dict[str, Any]:
        """Identifies equal requests for one folder."""
        return {"dataset": self.run.dataset, "ij_bounds": list(self.window.bounds), "block": self.block} | {
            "forcing": self.forcing,
            "hourly": self.hourly,
        }


def fetch(request: Request, folder: Path, progress: Progress | None = None) -> None:
    """Download all missing blocks of all months; a month that HydroFrame lacks is noted and left out.

    Stopped at any time, the same call goes on where it was. ``progress`` is called with (blocks done, in all).

    Raises:
        AcquisitionError: and its kin; what was brought before stays.
        PriorSchemaError: numbers that are not what they are labelled; or a folder of another request.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _claim(request, folder)
    for block in request.blocks:
        path = static_path(folder, block)
        if not path.is_file():
            store(path, _statics(request.run, block))
    total, done = len(request.months) * len(request.blocks), 0
    for month in request.months:
        for block in request.blocks:
            path = part_path(folder, month, block)
            if not path.is_file() and not absent_path(folder, month).is_file():
                try:
                    store(
                        path,
                        _days(request, month, block, load(static_path(folder, block), "porosity").astype(np.float64)),
                    )
                except AbsentDataError as error:
                    _note_absent(absent_path(folder, month), error, month[1])
            done += 1
            if progress is not None:
                progress(done, total)


def _note_absent(path: Path, error: AbsentDataError, last: dt.date) -> None:
    """Keep why a month is not there; a recent one may still come, and is asked for again next time."""
    if (dt.datetime.now(dt.UTC).date() - last).days > _RECENT:
        path.write_text(str(error) + "\n", encoding="utf-8")


def _claim(request: Request, folder: Path) -> None:
    file = folder / MANIFEST
    wanted = request.manifest()
    sweep(folder)
    if file.is_file():
        there = _manifest(file)
        if isinstance(there, dict):
            there = {"hourly": True, **there}  # folders of before there was a choice
        if there != wanted:
            raise PriorSchemaError(
                f"{folder} contains parts of another request",
                value=there,
                allowed=wanted,
                remedy="Choose another folder.",
            )
        return
    if any(path.suffix != PARTIAL for path in folder.iterdir()):
        raise PriorSchemaError(f"{folder} contains other files", remedy="Choose an empty folder for the downloads.")
    write(file, lambda stream: stream.write(json.dumps(wanted).encode() + b"\n"))


def _manifest(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PriorUnreadableError(
            "The description of the download folder is damaged",
            value=f"{file}: {error}",
            remedy="Choose another folder.",
        ) from error


def _statics(run: Run, block: IJWindow) -> Fields:
    """Static fields of the top layer on a block, [j, i]; hydraulic parameters by table where the run has none."""
    found: dict[str, NDArray[np.float64]] = {}
    for name, variable in run.statics.items():
        options = {"dataset": run.domain, "variable": variable, "grid": run.grid, "grid_bounds": list(block.bounds)}
        values = client.array({**options, "temporal_resolution": "static"})
        layers = values.shape[0] if values.ndim == 3 else run.layers
        found[name] = shaped(units.top_layer(values, layers, leading=0), block.shape, variable)
    if run.by_table:
        found |= soils.parameters(found["indicator"])
    return {name: values.astype(np.float32) for name, values in found.items()}


def _days(request: Request, month: tuple[dt.date, dt.date], block: IJWindow, porosity: NDArray[np.float64]) -> Fields:
    """Daily fields of a month's part on a block, [day, j, i]."""
    fields, notes = _soil_moisture(request, month, block, porosity)
    if request.forcing:
        fields |= forcing_days(request.run, month, block)
    return fields | {"notes": np.array(notes)}


def _soil_moisture(
    request: Request, month: tuple[dt.date, dt.date], block: IJWindow, porosity: NDArray[np.float64]
) -> tuple[Fields, list[str]]:
    run = request.run
    if request.hourly:
        options = {"dataset": run.dataset, "variable": "saturation", "z": str(run.top)}
        hourly, _ = series(run, options, month, block, "hourly", labelled=False)
        theta, note = units.from_saturation(units.daily_means(hourly), porosity), None
    else:
        values, label = series(run, {"dataset": run.dataset, "variable": "soil_moisture"}, month, block, "daily")
        theta, note = units.as_fraction(values, label, porosity)
    return {"soil_moisture": theta.astype(np.float32)}, [note] if note else []


def parts(request: Request, folder: Path) -> Iterator[tuple[tuple[dt.date, dt.date], list[Path]]]:
    """The complete months, with the files of their blocks."""
    for month in request.months:
        files = [part_path(folder, month, block) for block in request.blocks]
        if all(file.is_file() for file in files):
            yield month, files
