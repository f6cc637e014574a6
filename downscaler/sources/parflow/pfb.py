"""ParFlow's native .pfb files, checked against their own header.

A .pfb is big-endian: 64 bytes of header (origin, size, spacing, number of subgrids), then per subgrid nine integers and
its float64 values, x fastest. Layer 0 is the deepest, row 0 the southernmost.

Source: ParFlow user manual, section "ParFlow binary files (.pfb)".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import PriorUnreadableError
from downscaler.ground.lattice import IJWindow

HEADER, SUBGRID = struct.Struct(">3d3i3di"), struct.Struct(">9i")
INACTIVE = 1e30  # ParFlow writes about -3.4e38 outside its domain
Field = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PfbHeader:
    """Size of the array (cells along x, y, z) and number of subgrids."""

    nx: int
    ny: int
    nz: int
    subgrids: int


def read_header(path: Path) -> PfbHeader:
    """Header of a complete .pfb; raises PriorUnreadableError for a truncated or damaged file."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            return _walk(path, stream, size)
    except OSError as error:
        raise PriorUnreadableError("A .pfb file cannot be opened", value=f"{path}: {error.strerror}") from error


def _walk(path: Path, stream: BinaryIO, size: int) -> PfbHeader:
    """Follow the subgrids through the file and hold them against its length."""
    head = stream.read(HEADER.size)
    if len(head) < HEADER.size:
        raise _damaged(path, f"{size} bytes", f"at least {HEADER.size}, the header")
    nx, ny, nz, subgrids = (HEADER.unpack(head)[k] for k in (3, 4, 5, 9))
    if min(nx, ny, nz, subgrids) < 1 or nx * ny * nz * 8 > size:
        raise _damaged(path, f"{size} bytes for {nx} x {ny} x {nz} cells", "as many bytes as the header promises")
    cells = 0
    for number in range(subgrids):
        part = stream.read(SUBGRID.size)
        if len(part) < SUBGRID.size:
            raise _damaged(path, f"{size} bytes, {number} of {subgrids} subgrids", "all subgrids")
        ix, iy, iz, mx, my, mz, *_ = SUBGRID.unpack(part)
        inside = min(ix, iy, iz) >= 0 and ix + mx <= nx and iy + my <= ny and iz + mz <= nz and min(mx, my, mz) >= 0
        if not inside or stream.tell() + mx * my * mz * 8 > size:
            raise _damaged(path, f"{size} bytes, subgrid {number} of {subgrids} does not fit", "all subgrids")
        stream.seek(mx * my * mz * 8, 1)
        cells += mx * my * mz
    if cells != nx * ny * nz or stream.tell() != size:
        raise _damaged(path, f"{cells} cells, {size} bytes", f"{nx * ny * nz} cells, {stream.tell()} bytes")
    return PfbHeader(nx=nx, ny=ny, nz=nz, subgrids=subgrids)


def _damaged(path: Path, value: str, allowed: str) -> PriorUnreadableError:
    return PriorUnreadableError(
        f"{path.name} is not a complete .pfb file", value=f"{path}: {value}", allowed=allowed, remedy="Copy it again."
    )


def read_layers(path: Path, window: IJWindow | None = None, *, top_only: bool = False) -> Field:
    """Values [z, j, i], row 0 in the south, layer 0 the deepest; NaN where ParFlow is inactive.

    ``top_only`` reads the uppermost layer alone ([1, j, i]), ``window`` a part of the lattice; only the subgrids
    they touch are read. The file must have passed ``read_header``.
    """
    header = read_header(path)
    keys: dict[str, dict[str, int]] = {}
    if window is not None:
        keys = {
            "x": {"start": window.i.start, "stop": window.i.stop},
            "y": {"start": window.j.start, "stop": window.j.stop},
        }
    if top_only:
        keys["z"] = {"start": header.nz - 1, "stop": header.nz}
    from parflow.tools.io import read_pfb  # brings numba, half a second for every command

    values = np.asarray(read_pfb(str(path), keys=keys or None), dtype=np.float64)
    if values.ndim == 2:
        values = values[None]
    return np.where(np.abs(values) < INACTIVE, values, np.nan)


def read_top(path: Path, window: IJWindow | None = None) -> Field:
    """The uppermost layer, [j, i], row 0 in the south; NaN where inactive."""
    top: Field = read_layers(path, window, top_only=True)[0]
    return top


def surface_soil_moisture(saturation: Field, porosity: Field) -> Field:
    """Volumetric soil moisture (m3 m-3) of the top layer: saturation (1) times porosity (m3 m-3), elementwise."""
    return saturation * porosity


def describe(path: Path) -> dict[str, Any]:
    """What a .pfb file is, for ``vadose info``; raises PriorUnreadableError."""
    path = Path(path)
    header = read_header(path)
    values = read_layers(path)
    active = np.isfinite(values).all(axis=0)  # above its deepest layer ParFlow fills inactive columns
    return {
        "kind": "pfb",
        "name": path.name,
        "shape": [header.nz, header.ny, header.nx],
        "subgrids": header.subgrids,
        "active_cells": int(active.sum()),
        "minimum": float(values[:, active].min()) if active.any() else None,
        "maximum": float(values[:, active].max()) if active.any() else None,
    }
