"""Opens one SMAP granule: identity and retrieval groups. The metadata takes precedence over the file name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
from downscaler.sources.smap.composite import PM
from downscaler.sources.smap.layout import Group, layout_of, text_of
from downscaler.sources.smap.names import MODELLED, PRODUCTS, GranuleName
from downscaler.sources.smap.stack import moments_of, product_of

SIMULATED_ATTRIBUTE = "vadose_simulated"


@dataclass(frozen=True, kw_only=True)
class Granule:
    """A granule's identity and layout, without its arrays.

    ``layout`` is current (AM and PM groups), old (one group, a day) or half-orbit, with "stack" behind where a service
    put days behind one another; ``observed`` the extent that the metadata states (UTC).
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
    """Read the identity of a granule of one day.

    Raises GranuleMissingError, GranuleUnreadableError, GranuleLayoutError (no retrieval group, a required variable
    missing, another product, several days) or GranuleNameError (neither metadata nor name tell the day or the product).
    """
    found = open_granules(path)
    if len(found) > 1:
        raise GranuleLayoutError(
            f"{path.name} holds several days",
            value=f"{len(found)}, {found[0].name.date} to {found[-1].name.date}",
            allowed="one day",
            remedy="Name the date.",
        )
    return found[0]


def open_granules(path: Path) -> list[Granule]:
    """The granules of a file: one as a rule, one a day where a service stacked days; raises as ``open_granule``."""
    with opened(path) as file:
        layout, groups = layout_of(file, path.name, _others_named(path))
        if layout.endswith("stack"):
            return _stack(file, path, layout, groups)
        dataset, series = (_attributes(file, f"Metadata/{part}Identification") for part in ("Dataset", "Series"))
        observed = _extent(_attributes(file, "Metadata/Extent"))
        orbit = _attributes(file, "Metadata/OrbitMeasuredLocation")
        name = _identity(path, dataset, observed, orbit)
        if layout == "half-orbit" and name.direction == "A":
            groups = tuple(replace(g, overpass=PM) for g in groups)
        granule = Granule(
            path=path,
            name=name,
            layout=layout,
            groups=groups,
            collection_version=dataset.get("ECSVersionID") or series.get("ECSVersionID"),
            doi=series.get("identifier_product_DOI", "").removeprefix("doi:") or None,
            title=series.get("longName") or f"SMAP {name.short_name}",
            observed=observed,
            simulated=is_simulated(file),
        )
        return [granule]


def _stack(file: Any, path: Path, layout: str, groups: tuple[Group, ...]) -> list[Granule]:
    """A granule for each day of a stack."""
    told = product_of(path, text_of(file.attrs.get("title", "")))
    if told is None:
        raise GranuleNameError(
            "Neither the title nor the name of a stack of days states its product",
            value=path.name,
            allowed="a name as AppEEARS gives it: SPL3SMP_E.006_9km_aid0001.nc",
        )
    short_name, version = told
    if short_name not in PRODUCTS or short_name.startswith("SPL2"):
        raise GranuleLayoutError(f"{path.name} stacks another product", value=short_name, allowed="SPL3SMP_E, SPL3SMP")
    return [
        Granule(
            path=path,
            name=GranuleName(short_name=short_name, date=moment.date(), crid=f"subset-{version}", counter=0),
            layout=layout,
            groups=tuple(group.at(step) for group in groups),
            collection_version=version,
            doi=None,
            title=f"SMAP {short_name}",
            observed=None,
            simulated=is_simulated(file),
        )
        for step, moment in enumerate(moments_of(file, path.name))
    ]


def is_simulated(file: Any) -> bool:
    """Whether an opened file says that it is of the simulated sample."""
    return text_of(file.attrs.get(SIMULATED_ATTRIBUTE, "")).lower() == "true"


def _others_named(path: Path) -> str:
    """What to use instead, in words: a modelled field is told as that."""
    hint = _hint(path, {})
    if hint is not None and hint.short_name in MODELLED:
        return f"{', '.join(p for p in PRODUCTS if p not in MODELLED)}; {hint.short_name} is read as `second_source`"
    return ", ".join(p for p in PRODUCTS if p not in MODELLED)


def _attributes(file: Any, path: str) -> dict[str, str]:
    """A metadata group's attributes as texts; empty without the group."""
    group = file.get(path)
    if group is None:
        return {}
    return {key: text for key in group.attrs if (text := text_of(group.attrs[key]).strip())}


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
    if short_name not in PRODUCTS or short_name in MODELLED:
        allowed = [product for product in PRODUCTS if product not in MODELLED]
        raise GranuleLayoutError(f"{path.name} belongs to another product", value=short_name, allowed=allowed)
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
