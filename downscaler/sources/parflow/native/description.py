"""``prior.toml``: describes a folder of .pfb files (grid, time, variables)."""

from __future__ import annotations

import datetime as dt
import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odc.geo import Shape2d, xy_

from downscaler.errors import PriorSchemaError, PriorUnreadableError
from downscaler.ground.lattice import PARENTS, Lattice
from downscaler.sources.parflow.names import STATIC_NAMES
from downscaler.sources.parflow.native.schedule import FORCING, LAYERS, Clock
from downscaler.sources.refused import require_regular

FILE_NAME = "prior.toml"
STATE_FILES = ("soil_moisture", "saturation", "pressure", "precipitation", "air_temperature")
RETENTION = ("van_genuchten_alpha", "van_genuchten_n")
_WAYS = (("soil_moisture",), ("saturation", "porosity"), ("pressure", "porosity", *RETENTION))
KEYS: dict[str, dict[str, tuple[type, ...]]] = {
    "grid": {
        "lattice": (str,),
        "registration": (str,),
        "ij_bounds": (list,),
        "lower_left": (list,),
        "crs": (str,),
        "cell": (int, float),
    },
    "time": {"start": (str, dt.datetime), "step": (str,), "planes": (str,)},
    "units": dict.fromkeys(FORCING, (str,)),
    "files": dict.fromkeys((*STATE_FILES, "mask", *STATIC_NAMES), (str,)),
    "soil": {"residual_saturation": (int, float)},
    "source": {"title": (str,), "model": (str,), "simulated": (bool,), "note": (str,)},
}
_STEP = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|s)")
_UNIT = {"d": "days", "h": "hours", "min": "minutes", "s": "seconds"}
_DEFAULT_REGISTRATION = {"CONUS1": "drv_vegm", "CONUS2": "hydrodata"}


@dataclass(frozen=True, kw_only=True)
class Description:
    """A checked ``prior.toml``: sections as tables of known keys, time decoded; ``units`` as told."""

    path: Path
    grid: Mapping[str, Any]
    files: Mapping[str, str]
    units: Mapping[str, str]
    clock: Clock
    residual_saturation: float | None
    source: Mapping[str, Any]

    def lattice(self, shape: Shape2d) -> Lattice:
        """The lattice of files of this shape; raises PriorSchemaError when ``ij_bounds`` have another size."""
        name = self.grid["lattice"]
        if name in PARENTS and "ij_bounds" in self.grid:
            registration = self.grid.get("registration", _DEFAULT_REGISTRATION[name])
            lattice = PARENTS[name].cut(self.grid["ij_bounds"], registration)
            if lattice.shape != shape:
                raise PriorSchemaError(
                    f"ij_bounds in {self.path} do not match the shape of the files",
                    value=f"{lattice.shape.x} x {lattice.shape.y} cells by {list(self.grid['ij_bounds'])}",
                    allowed=f"{shape.x} x {shape.y} cells",
                )
            return lattice
        corner = self.grid.get("lower_left", ())
        crs = PARENTS[name].crs if name in PARENTS else self.grid.get("crs")
        if crs is None or len(corner) != 2 or not all(isinstance(c, int | float) for c in corner):
            raise PriorSchemaError(
                f"[grid] in {self.path} does not locate the files",
                value=dict(self.grid),
                allowed='lattice = "CONUS1" or "CONUS2" with ij_bounds = [i0, j0, i1, j1] or lower_left = [x, y]; '
                'or lattice = "custom" with crs, lower_left and cell',
            )
        cell = float(self.grid.get("cell", 1000.0))
        return Lattice(name=name, crs=crs, lower_left=xy_(float(corner[0]), float(corner[1])), shape=shape, cell=cell)


def read_description(
    folder: Path, *, states: bool = True, name: str = FILE_NAME, ways: Sequence[Sequence[str]] = _WAYS
) -> Description:
    """Read and check ``prior.toml`` in a folder, or its like of another name.

    ``ways`` are the sets of files of which one has to be told; without ``states`` no file of the run's states has to.

    Raises PriorUnreadableError when it is missing or no TOML, PriorSchemaError for unknown keys and wrong values.
    """
    path = folder / name
    try:
        if path.exists():
            require_regular(path)
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise PriorUnreadableError(
            f"The folder has no {name}",
            value=folder,
            allowed=f"a folder of .pfb files with a {name} that gives [grid], [time] and [files]",
        ) from None
    except (OSError, ValueError) as error:
        raise PriorUnreadableError(f"{name} cannot be read", value=f"{path}: {error}") from error
    _check_keys(tables, path, ("grid", "files") if states else ("grid",))
    grid, files = dict(tables["grid"]), dict(tables.get("files", {}))
    saturation = tables.get("soil", {}).get("residual_saturation")
    residual = saturation is not None or "residual_saturation" in files
    told = any(set(way) <= files.keys() and (len(way) < 4 or residual) for way in ways)
    if "lattice" not in grid or (states and not told):
        raise PriorSchemaError(
            f"{path} lacks required keys",
            value=f"[grid] {sorted(grid)}, [files] {sorted(files)}",
            allowed="[grid] lattice; [files] soil_moisture, or saturation and porosity, or pressure, porosity, "
            "van_genuchten_alpha, van_genuchten_n and residual_saturation (which [soil] may give)"
            if ways is _WAYS
            else f"[grid] lattice; [files] {' or '.join(' and '.join(way) for way in ways)}",
            remedy="Where the states are ParFlow's own NetCDF output, read the folder as netcdf."
            if states and ways is _WAYS
            else None,
        )
    return Description(
        path=path,
        grid=grid,
        files=files,
        units=dict(tables.get("units", {})),
        clock=_clock(tables.get("time", {}), path),
        residual_saturation=_saturation(saturation, path),
        source=dict(tables.get("source", {})),
    )


def names_states(folder: Path) -> bool:
    """Whether a folder's ``prior.toml`` names .pfb files of the run's states; false without one that can be read."""
    try:
        require_regular(folder / FILE_NAME)
        files = tomllib.loads((folder / FILE_NAME).read_text(encoding="utf-8-sig")).get("files", {})
    except (OSError, ValueError):
        return (folder / FILE_NAME).is_file()
    return isinstance(files, Mapping) and any(name in files for name in STATE_FILES)


def _check_keys(tables: Mapping[str, Any], path: Path, needed: Sequence[str]) -> None:
    for section in tables:
        _known(section, KEYS, f"section of {path}")
        if not isinstance(tables[section], Mapping):
            raise PriorSchemaError(
                f"{section!r} in {path} is not a section", value=tables[section], allowed=f"[{section}]"
            )
        for key, value in tables[section].items():
            _known(key, KEYS[section], f"key in [{section}] of {path}")
            types = KEYS[section][key]
            if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
                raise PriorSchemaError(
                    f"{key!r} in [{section}] of {path} has the wrong type",
                    value=repr(value),
                    allowed=" or ".join(t.__name__ for t in types),
                )
    for section in needed:
        if section not in tables:
            raise PriorSchemaError(f"{path} lacks a section", value=sorted(tables), allowed="[grid], [time], [files]")


def _clock(time: Mapping[str, Any], path: Path) -> Clock:
    """``[time]``; start and step may be left out where names hold dates."""
    planes = time.get("planes")
    return Clock(
        start=_moment(time["start"], path) if "start" in time else None,
        step=_duration(time["step"], path, "step") if "step" in time else None,
        planes=planes if planes in (None, LAYERS) else _duration(planes, path, "planes"),
    )


def _known(name: str, allowed: Mapping[str, Any] | Sequence[str], what: str) -> None:
    if name not in allowed:
        near = difflib.get_close_matches(name, list(allowed), n=1)
        raise PriorSchemaError(
            f"Unknown {what}",
            value=repr(name),
            allowed=allowed,
            remedy=f"Did you mean {near[0]!r}?" if near else None,
        )


def _moment(value: object, path: Path) -> dt.datetime:
    try:
        moment = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value))
    except ValueError:
        raise PriorSchemaError(
            f"[time] start in {path} is not a time", value=repr(value), allowed='such as "2016-10-01T12:00:00Z"'
        ) from None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def _duration(value: object, path: Path, key: str) -> dt.timedelta:
    found = _STEP.fullmatch(str(value).strip()) if value is not None else None
    if found is None or float(found[1]) == 0:
        raise PriorSchemaError(
            f"[time] {key} in {path} is not a duration", value=repr(value), allowed='"1d", "3h", "30min"'
        )
    return dt.timedelta(**{_UNIT[found[2]]: float(found[1])})


def _saturation(value: float | None, path: Path) -> float | None:
    if value is not None and not 0 <= value < 1:
        raise PriorSchemaError(
            f"[soil] residual_saturation in {path} is not a saturation", value=value, allowed="0 <= value < 1"
        )
    return value
