"""What a ParFlow-CLM file is, for ``vadose info``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from downscaler.ground.lattice import question
from downscaler.sources.parflow.cf import open_dataset
from downscaler.sources.parflow.netcdf import open_netcdf
from downscaler.sources.parflow.pfb import describe as describe_pfb


def describe(path: Path) -> dict[str, Any]:
    """Kind "pfb" (shape, subgrids, range) or "parflow-netcdf" (variables, period, grid).

    Raises PriorUnreadableError for damaged files, PriorSchemaError for a NetCDF without a map projection.
    """
    path = Path(path)
    if path.suffix == ".pfb":
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
    source = open_netcdf(path)
    lattice = source.lattice
    facts |= {
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
