"""A published catalogue as a person opens it: its days as datasets."""

from __future__ import annotations

import datetime as dt
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from catalog.naming import ROOT, DayName, domain_name
from catalog.reading.days import items
from catalog.reading.rasters import open_raster
from catalog.store.base import Store, open_store
from catalog.store.documents import Document, resolve
from downscaler import product
from downscaler.day.downscale import as_dataset
from downscaler.errors import CatalogError, broken_as


@dataclass(frozen=True)
class Catalog:
    """An opened catalogue: days by domain and date."""

    store: Store
    days: dict[tuple[str, dt.date], Document]

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains that have days."""
        return tuple(sorted({domain for domain, _ in self.days}))

    def dates(self, domain: str | None = None) -> list[dt.date]:
        """Published days of a domain, in order; the domain may be left out where there is one alone."""
        wanted = self._domain(domain)
        return sorted(date for name, date in self.days if name == wanted)

    def open(self, date: dt.date | str, domain: str | None = None) -> xr.Dataset:
        """A published day, in memory, with the variables, units and attributes of ``downscaler.downscale``.

        Of analyses, composites (by their first day) and percentiles with the variables of these.

        Raises CatalogError when the day is not published, or one of its files is missing or damaged.
        """
        day = dt.date.fromisoformat(date) if isinstance(date, str) else date
        name = self._domain(domain)
        item = self.days.get((name, day))
        if item is None:
            raise CatalogError(f"{name} has no such day", value=day, allowed=[str(d) for d in self.dates(name)][-5:])
        with _undamaged(f"{name}, {day}"):
            return self._opened(name, day, item)

    def _opened(self, name: str, day: dt.date, item: Document) -> xr.Dataset:
        key, properties = DayName.of_item(item).item_key, item["properties"]
        height, width = properties["proj:shape"]
        box = GeoBox((height, width), Affine(*properties["proj:transform"][:6]), properties["proj:code"])
        variables = product.variables_of(name)
        fields = {v.name: self._read(resolve(key, item["assets"][v.name]["href"]), v) for v in variables}
        return as_dataset(fields, box, day, variables).assign_attrs(
            Conventions="CF-1.11",
            title=properties["title"],
            references=f"https://doi.org/{product.METHOD_DOI}",
            comment=" ".join([*properties.get("vadose:caveats", ()), product.DEPTH_NOTE]),
            product_version=properties["vadose:product_version"],
            simulated=int(properties["vadose:simulated"]),
        )

    def _read(self, key: str, variable: product.Variable) -> NDArray[np.generic]:
        with open_raster(self.store, key) as file:
            stored = file.read(1)
        if variable.precision is not None or variable is product.QUALITY_FLAG:
            return np.asarray(stored)
        return np.where(stored == variable.nodata, np.nan, stored).astype(np.float32)

    def _domain(self, name: str | None) -> str:
        if name in self.domains:
            return name
        if name is None and len(self.domains) == 1:
            return self.domains[0]
        what = "The catalogue has several domains" if name is None else "The catalogue has no such domain"
        raise CatalogError(what, value=name or "none named", allowed=self.domains)


def _undamaged(what: object) -> AbstractContextManager[None]:
    return broken_as(CatalogError, "The item of a day is damaged", what, "`vadose catalog check --repair`.")


def open_catalog(uri: str | Path) -> Catalog:
    """Open a catalogue in a folder or bucket; raises CatalogError where there is none."""
    store = open_store(uri)
    if store.get(ROOT) is None:
        raise CatalogError("There is no catalogue", value=store.uri, allowed="a place with a catalog.json")
    found = {}
    for item in items(uri):
        with _undamaged(item.get("id")):
            date = dt.date.fromisoformat(str(item["properties"]["start_datetime"])[:10])
            found[domain_name(str(item["collection"])), date] = item
    return Catalog(store=store, days=found)
