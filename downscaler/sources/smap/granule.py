"""Opens one SMAP granule: identity and retrieval groups. The metadata takes precedence over the file name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from downscaler.errors import (
    BROKEN,
    GranuleError,
    GranuleLayoutError,
    GranuleMissingError,
    GranuleNameError,
    GranuleUnreadableError,
    VadoseError,
)
from downscaler.ground.grid import EaseGrid
from downscaler.product import SIMULATED_LABEL
from downscaler.records import InputRecord, file_sha256
from downscaler.sources import hdf5
from downscaler.sources.smap.composite import AM, PM
from downscaler.sources.smap.names import PRODUCTS, GranuleName

GROUP = "Soil_Moisture_Retrieval_Data"
REQUIRED = ("soil_moisture", "retrieval_qual_flag")
SIMULATED_ATTRIBUTE = "vadose_simulated"


@dataclass(frozen=True, kw_only=True)
class Group:
    """One group of retrievals: its path in the file, the ending of its variables' names and its overpass code."""

    path: str
    suffix: str
    overpass: int


@dataclass(frozen=True, kw_only=True)
class Granule:
    """A granule's identity and layout, without its arrays.

    ``layout`` is current (AM and PM groups), old (one group, a day) or half-orbit; ``observed`` the extent that the
    metadata states (UTC).
    """

    path: Path
    name: GranuleName
    layout: str
    groups: tuple[Group, ...]
    collection_version: str | None
    doi: str | None
    title: str
    observed: tuple[dt.datetime, dt.datetime] | None
    simulated: bool

    @property
    def grid(self) -> EaseGrid:
        """The grid that its product is defined on."""
        return self.name.grid

    def record(self, supersedes: tuple[str, ...] = ()) -> InputRecord:
        """The granule as an input of a product, with the SHA-256 of its file."""
        label = f" ({SIMULATED_LABEL})" if self.simulated else ""
        known = {
            "short_name": self.name.short_name,
            "collection_version": self.collection_version,
            "doi": self.doi,
            "supersedes": list(supersedes) or None,
        }
        return InputRecord(
            kind="granule",
            name=self.path.name,
            version=self.name.version,
            sha256=file_sha256(self.path),
            size=self.path.stat().st_size,
            title=self.title + label,
            attributes={key: value for key, value in known.items() if value is not None},
        )


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file opened by h5py; read failures become a typed error that names the file.

    Raises GranuleMissingError without a file and GranuleUnreadableError when it is no HDF5, cut short, damaged, locked
    or reads from other files.
    """
    if not path.exists():
        raise GranuleMissingError("Granule not found", value=path, remedy="Check the path or download it.")
    try:
        with hdf5.opened(path) as file:
            yield file
    except GranuleError:
        raise
    except hdf5.RefusedFileError as error:
        raise GranuleUnreadableError(
            f"The granule cannot be read: {error.what}", value=path, remedy=error.remedy
        ) from error
    except VadoseError:
        raise
    except BROKEN as error:
        raise GranuleUnreadableError(
            "The granule is damaged",
            value=f"{path} ({path.stat().st_size} bytes; {error})",
            remedy="Delete the file and download it again.",
        ) from error


def open_granule(path: Path) -> Granule:
    """Read the identity of a granule.

    Raises GranuleMissingError, GranuleUnreadableError, GranuleLayoutError (no retrieval group, a required variable
    missing, another product) or GranuleNameError (neither metadata nor name tell the day or the product).
    """
    with opened(path) as file:
        layout, groups = _layout(file, path)
        dataset, series = (_attributes(file, f"Metadata/{part}Identification") for part in ("Dataset", "Series"))
        observed = _extent(_attributes(file, "Metadata/Extent"))
        orbit = _attributes(file, "Metadata/OrbitMeasuredLocation")
        name = _identity(path, dataset, observed, orbit)
        if layout == "half-orbit" and name.direction == "A":
            groups = tuple(Group(path=g.path, suffix=g.suffix, overpass=PM) for g in groups)
        return Granule(
            path=path,
            name=name,
            layout=layout,
            groups=groups,
            collection_version=dataset.get("ECSVersionID") or series.get("ECSVersionID"),
            doi=series.get("identifier_product_DOI", "").removeprefix("doi:") or None,
            title=series.get("longName") or f"SMAP {name.short_name}",
            observed=observed,
            simulated=_text(file.attrs.get(SIMULATED_ATTRIBUTE, "")).lower() == "true",
        )


def _layout(file: Any, path: Path) -> tuple[str, tuple[Group, ...]]:
    """Tell the layout by the groups present; polar groups and others are left alone."""
    present = [
        Group(path=GROUP + ending, suffix=suffix, overpass=code)
        for ending, suffix, code in (("_AM", "", AM), ("_PM", "_pm", PM), ("", "", AM))
        if isinstance(file.get(GROUP + ending), h5py.Group)
    ]
    if not present:
        raise GranuleLayoutError(
            f"{path.name} has no group of soil moisture retrievals",
            value="groups " + (", ".join(sorted(file)) or "none"),
            allowed=[GROUP, f"{GROUP}_AM", f"{GROUP}_PM"],
            remedy="Use a granule of " + ", ".join(PRODUCTS) + ".",
        )
    for group in present:
        for variable in REQUIRED:
            if find(file, group, variable) is None:
                raise GranuleLayoutError(
                    f"{path.name} lacks the variable {variable} in {group.path}",
                    value=", ".join(sorted(file[group.path])) or "an empty group",
                    allowed=[r + group.suffix for r in REQUIRED],
                )
    if present[0].path != GROUP:
        return "current", tuple(g for g in present if g.path != GROUP)
    return ("half-orbit" if find(file, present[0], "soil_moisture").ndim == 1 else "old"), tuple(present)


def find(file: Any, group: Group, variable: str) -> Any:
    """The group's dataset of that name, with or without the ending, or None."""
    members = file[group.path]
    for name in (variable + group.suffix, variable):
        if isinstance(members.get(name), h5py.Dataset):
            return members[name]
    return None


def _text(value: Any) -> str:
    """An attribute as text, whether stored as bytes, str or an array of one."""
    items = np.asarray(value).ravel().tolist()
    first = items[0] if items else ""
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)


def _attributes(file: Any, path: str) -> dict[str, str]:
    """A metadata group's attributes as texts; empty without the group."""
    group = file.get(path)
    if group is None:
        return {}
    return {key: text for key in group.attrs if (text := _text(group.attrs[key]).strip())}


def _moment(text: str | None) -> dt.datetime | None:
    """An ISO time as UTC, or None."""
    try:
        moment = dt.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or dt.UTC).astimezone(dt.UTC)


def _extent(attributes: dict[str, str]) -> tuple[dt.datetime, dt.datetime] | None:
    """First and last observation as the metadata states them."""
    first, last = (_moment(attributes.get(f"range{end}DateTime")) for end in ("Beginning", "Ending"))
    return (first, last) if first and last else None


def _hint(path: Path, dataset: dict[str, str]) -> GranuleName | None:
    """What the file's name says, else the name under which it was produced."""
    for text in (path.name, dataset.get("fileName", "")):
        try:
            return GranuleName.parse(text)
        except GranuleNameError:
            continue
    return None


def _identity(
    path: Path,
    dataset: dict[str, str],
    observed: tuple[dt.datetime, dt.datetime] | None,
    orbit: dict[str, str],
) -> GranuleName:
    """The granule's name as its metadata gives it; what is missing there comes from the file's name."""
    hint = _hint(path, dataset)
    short_name = dataset.get("shortName") or (hint.short_name if hint else None)
    if hint is not None and hint.near_real_time:
        short_name = hint.short_name  # never taken for the standard stream, whatever the metadata say
    begin = observed[0] if observed else None
    date = begin.date() if begin else (hint.date if hint else None)
    if short_name is None or date is None:
        raise GranuleNameError(
            "Neither the metadata nor the name of the granule states its product and day",
            value=path.name,
            allowed="Metadata/DatasetIdentification with shortName and Metadata/Extent, or a file name in NSIDC's form",
        )
    if short_name not in PRODUCTS:
        raise GranuleLayoutError(f"{path.name} belongs to another product", value=short_name, allowed=PRODUCTS)
    half = short_name.startswith("SPL2")
    direction = orbit.get("orbitDirection", "")[:1].upper() or (hint.direction if hint else None)
    return GranuleName(
        short_name=short_name,
        date=date,
        crid=dataset.get("CompositeReleaseID") or (hint.crid if hint else "unknown"),
        counter=hint.counter if hint else 0,
        orbit=(_number(orbit.get("revNumber")) or (hint.orbit if hint else None)) if half else None,
        direction=direction if half else None,
        start=(begin or (hint.start if hint else None)) if half else None,
    )


def _number(text: str | None) -> int | None:
    """A whole number written in metadata, or None."""
    return int(text) if text is not None and text.isdigit() else None
