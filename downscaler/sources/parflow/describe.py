"""What a ParFlow-CLM file is, for ``vadose info``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from downscaler.errors import PriorSchemaError, PriorUnreadableError
from downscaler.ground.lattice import question
from downscaler.sources.folders import files_below
from downscaler.sources.parflow.cf import open_dataset
from downscaler.sources.parflow.native import NativeSource, names_states
from downscaler.sources.parflow.netcdf import SUFFIXES, open_netcdf
from downscaler.sources.parflow.pfb import describe as describe_pfb
from downscaler.sources.parflow.source import PriorSource
from downscaler.sources.parflow.typed import typed


def describe(path: Path) -> dict[str, Any]:
    """Kind "pfb" (shape, subgrids, range) or "parflow-netcdf" (variables, period, grid).

    Raises PriorUnreadableError for damaged files, PriorSchemaError for a NetCDF without a map projection.
    """
    with typed(Path(path)):
        return _describe(Path(path))


def _describe(path: Path) -> dict[str, Any]:
    if path.suffix.lower() == ".pfb":
        return describe_pfb(path)
    data = open_dataset(path)
    facts: dict[str, Any] = {
        "kind": "parflow-netcdf",
        "name": path.name,
        "title": data.attrs.get("title"),
        "variables": {str(name): str(v.attrs.get("units", "")) for name, v in data.data_vars.items()},
        "size": {str(name): size for name, size in data.sizes.items()},
    }
    data.close()
    if "time" not in facts["size"]:
        return facts
    return facts | _run_facts(open_netcdf(path))


def is_run(folder: Path) -> bool:
    """Whether a folder is a ParFlow run: it has a prior.toml, or NetCDF files with soil moisture over time."""
    if names_states(folder):
        return True
    return bool(files_below(folder, SUFFIXES)) and _opens(folder)


def _opens(folder: Path) -> bool:
    try:
        with typed(folder):
            open_netcdf(folder).close()
    except (PriorSchemaError, PriorUnreadableError):
        return False
    return True


def describe_folder(folder: Path) -> dict[str, Any]:
    """What a ParFlow run in a folder is: period, lattice, fields, notes; raises the errors of its reader."""
    native = names_states(folder)
    with typed(folder):
        source = NativeSource(folder) if native else open_netcdf(folder)
        kind = "parflow-native" if native else "parflow-netcdf"
        return {"kind": kind, "name": folder.name, "title": source.info.title, **_run_facts(source)}


def _run_facts(source: PriorSource) -> dict[str, Any]:
    lattice = source.lattice
    facts = {
        "period": [source.days[0].isoformat(), source.days[-1].isoformat()],
        "days": len(source.days),
        "lattice": lattice.name,
        "registration": lattice.registration,
        "ij_bounds": list(lattice.ij_bounds) if lattice.ij_bounds else None,
        "daily": list(source.daily),
        "statics": list(source.statics),
        "notes": [note for note in (question(lattice), *source.info.notes) if note],
    }
    source.close()
    return facts
