"""Where a granule's variables stand: in groups, as NSIDC delivers them, or flat under joined names, as services do.

OPeNDAP joins group and variable (``Soil_Moisture_Retrieval_Data_AM_soil_moisture``); AppEEARS does so too and stacks
days along ``time``. What is sought by the product's own name is found in each of these.

Sources: the names that OPeNDAP's HDF5 handler gives NSIDC's granules; AppEEARS' readme of area samples (layers named
``Soil_Moisture_Retrieval_Data_AM_soil_moisture``, files ``SPL3SMP_E.006_9km_aid0001.nc``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import h5py
import numpy as np

from downscaler.errors import GranuleLayoutError
from downscaler.sources.smap.composite import AM, PM

GROUP = "Soil_Moisture_Retrieval_Data"
REQUIRED = ("soil_moisture", "retrieval_qual_flag")
_HALVES = (("_AM", "", AM), ("_PM", "_pm", PM), ("", "", AM))


@dataclass(frozen=True, kw_only=True)
class Group:
    """One group of retrievals: its path in the file, the ending of its variables' names and its overpass code.

    ``prefix`` stands before the names where they are flat, ``step`` is the place of the day in a stack of days, and
    ``names`` are other names of variables than SPL3SMP's.
    """

    path: str
    suffix: str
    overpass: int
    prefix: str = ""
    step: int | None = None
    names: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def title(self) -> str:
        """How messages name it."""
        return self.path if not self.prefix else f"the variables {self.prefix}*"

    def at(self, step: int) -> Group:
        """The same of one day of a stack."""
        return replace(self, step=step)


class Slice:
    """One step of a stacked variable, read as if it were a variable of its own."""

    def __init__(self, dataset: h5py.Dataset, step: int) -> None:
        self._dataset, self._step = dataset, step
        self.shape, self.dtype, self.attrs = dataset.shape[1:], dataset.dtype, dataset.attrs
        self.ndim, self.size = len(self.shape), int(np.prod(self.shape))

    def __getitem__(self, key: Any) -> Any:
        """Values of the step; only they are read."""
        return self._dataset[(self._step, *key) if isinstance(key, tuple) else (self._step, key)]


def text_of(value: Any) -> str:
    """An attribute as text, whether stored as bytes, str or an array of one."""
    items = np.asarray(value).ravel().tolist()
    first = items[0] if items else ""
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)


def find(file: Any, group: Group, variable: str) -> Any:
    """The group's dataset of that name, with or without the ending, or None."""
    members = file.get(group.path)
    wanted = group.names.get(variable, variable)
    for name in (wanted + group.suffix, wanted):
        found = members.get(group.prefix + name)
        if isinstance(found, h5py.Dataset):
            stacked = group.step is not None and found.ndim > 2
            return Slice(found, group.step) if stacked and group.step is not None else found
    beside = file.get(wanted) if variable in group.names else None
    return beside if isinstance(beside, h5py.Dataset) else None


def layout_of(file: Any, name: str, products: str) -> tuple[str, tuple[Group, ...]]:
    """Tell the layout by what is present; polar groups and others are left alone.

    Returns:
        "current" (AM and PM), "old" (one group, a day) or "half-orbit"; with " stack" behind for days along time. And
        the groups.

    Raises:
        GranuleLayoutError: no group of retrievals, or one that lacks a required variable.
    """
    present = _in_groups(file) or _flat(file)
    if not present:
        raise GranuleLayoutError(
            f"{name} has no group of soil moisture retrievals",
            value="groups " + (", ".join(sorted(file)[:20]) or "none"),
            allowed=[GROUP, f"{GROUP}_AM", f"{GROUP}_PM"],
            remedy=f"Use a granule of {products}.",
        )
    for group in present:
        for variable in REQUIRED:
            if find(file, group, variable) is None:
                raise GranuleLayoutError(
                    f"{name} lacks the variable {variable} in {group.title}",
                    value=", ".join(sorted(file[group.path])[:60]) or "an empty group",
                    allowed=[group.prefix + r + group.suffix for r in REQUIRED],
                    remedy="Ask the service for both: without its quality flag no retrieval can be used."
                    if group.prefix
                    else None,
                )
    dimensions = find(file, present[0], "soil_moisture").ndim
    stack = " stack" if dimensions == 3 else ""
    if len(present) > 1 or present[0].path.endswith(("_AM", "_PM")) or present[0].prefix.endswith(("_AM_", "_PM_")):
        return f"current{stack}", present
    return ("half-orbit" if dimensions == 1 else f"old{stack}"), present


def _in_groups(file: Any) -> tuple[Group, ...]:
    found = tuple(
        Group(path=GROUP + ending, suffix=suffix, overpass=code)
        for ending, suffix, code in _HALVES
        if isinstance(file.get(GROUP + ending), h5py.Group)
    )
    halves = tuple(group for group in found if group.path != GROUP)
    return halves or found


def _flat(file: Any) -> tuple[Group, ...]:
    """Groups of flat names; a name of the AM half never passes for one of the group without halves."""
    names = set(file)

    def has(prefix: str, suffix: str) -> bool:
        return bool({f"{prefix}soil_moisture{suffix}", f"{prefix}soil_moisture"} & names)

    found = tuple(
        Group(path="/", suffix=suffix, overpass=code, prefix=f"{GROUP}{ending}_")
        for ending, suffix, code in _HALVES
        if has(f"{GROUP}{ending}_", suffix)
    )
    halves = tuple(group for group in found if group.prefix != f"{GROUP}_")
    return halves or found
