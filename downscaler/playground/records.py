"""The files of a playground: records of its cells, propensities, and its report.

Each file appears whole or not at all, so that what an interruption leaves is a smaller table, never a broken one.
"""

from __future__ import annotations

import json
import math
import tomllib
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from downscaler.errors import ConfigError, ExperimentError
from downscaler.playground.experiment import Cell, Record
from downscaler.playground.stations.siting import COVARIATES, Propensity

CELLS, PAGE = "cells", "playground.html"


class Records:
    """The finished cells of one experiment below a folder; ``fingerprint`` keeps experiments apart.

    Raises ExperimentError where the folder cannot be written.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = Path(folder) / CELLS / fingerprint
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ExperimentError(
                "The playground's folder cannot be written", value=f"{folder}: {error.strerror}"
            ) from error

    def missing(self, cells: Sequence[Cell]) -> list[Cell]:
        """Those of the cells that have no record."""
        found = {path.name for path in self.folder.glob("*.npz")}
        return [cell for cell in cells if f"{cell.key}.npz" not in found]

    def write(self, record: Record) -> None:
        """Keep a finished cell."""
        text = json.dumps(
            {"cell": asdict(record.cell), "scores": list(record.scores), "geometry": dict(record.geometry)}
        )
        arrays: dict[str, Any] = {"meta": np.frombuffer(text.encode(), np.uint8), "stations": record.stations}
        arrays |= {f"error/{name}": values for name, values in record.errors.items()}
        partial = self.folder / f".{uuid.uuid4().hex}.partial"
        try:
            with partial.open("wb") as stream:
                np.savez(stream, **arrays)
            partial.replace(self._path(record.cell))
        except OSError as error:
            raise ExperimentError(
                "A finished cell cannot be written",
                value=f"{partial.parent}: {error.strerror}",
                remedy="Free some space and run the same command again; finished cells are kept.",
            ) from error
        finally:
            partial.unlink(missing_ok=True)

    def read(self, cell: Cell) -> Record:
        """A finished cell; raises ExperimentError when its record is broken."""
        path = self._path(cell)
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                meta = json.loads(arrays["meta"].tobytes())
                errors = {name.removeprefix("error/"): arrays[name] for name in arrays if name.startswith("error/")}
                stations = arrays["stations"].astype(np.intp)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ExperimentError(
                "A record of the playground cannot be read",
                value=f"{path}: {error}",
                remedy="Delete it and run the same command again.",
            ) from error
        scores = tuple(meta["scores"])
        return Record(cell=cell, scores=scores, geometry=meta["geometry"], stations=stations, errors=errors)

    def clear(self) -> None:
        """Remove what an interruption left half written."""
        for partial in self.folder.glob(".*.partial"):
            partial.unlink(missing_ok=True)

    def _path(self, cell: Cell) -> Path:
        return self.folder / f"{cell.key}.npz"


def read_propensity(path: Path) -> Propensity:
    """A given propensity: TOML with a log-odds per standard deviation for each covariate.

    Raises ConfigError for an unreadable file, an unknown covariate or a value that is no number.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigError("The propensity file cannot be read", value=f"{path}: {error}") from None
    bad = [f"{k} = {v!r}" for k, v in given.items() if k not in COVARIATES or not _is_number(v)]
    if bad or not given:
        raise ConfigError(
            f"The propensity {path} has no valid coefficients",
            value=", ".join(bad) or "nothing",
            allowed=f"numbers for {', '.join(COVARIATES)}",
        )
    return Propensity(coefficients={k: float(v) for k, v in given.items()}, origin=f"given in {path.name}")


def write_report(folder: Path, page: str, tables: Mapping[str, pd.DataFrame]) -> list[Path]:
    """The page and each table as Parquet; returns the files, the page first."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    contents: dict[str, str | pd.DataFrame] = {PAGE: page} | {f"{name}.parquet": t for name, t in tables.items()}
    for name, content in contents.items():
        partial = folder / f".{name}.{uuid.uuid4().hex[:8]}.partial"
        try:
            if isinstance(content, str):
                partial.write_text(content, encoding="utf-8")
            else:
                content.to_parquet(partial, index=False)
            partial.replace(folder / name)
        finally:
            partial.unlink(missing_ok=True)
        files.append(folder / name)
    return files


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
