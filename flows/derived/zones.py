"""Series of zones from published days: only the days that changed since are read again."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from downscaler.errors import ZoneError

if TYPE_CHECKING:
    import pyarrow as pa

    from catalog.reading.stack import StackedDay
    from downscaler.derived.zones import SpatialErrors, ZoneWeights
    from downscaler.ground.grid import Domain
    from downscaler.sources.zones import Layer
    from downscaler.stores.zones import YearOfZones

READ = ("soil_moisture", "uncertainty")
Hear = Callable[[dt.date], None]


@dataclass(frozen=True, kw_only=True)
class ZonesDone:
    """What became of a layer's series: days made, days taken out as they are published no more, days that stood."""

    folder: Path
    zones: int
    made: tuple[dt.date, ...]
    removed: tuple[dt.date, ...]
    stood: int


def make_zones(
    uri: str, domain: Domain, layer: Layer, folder: Path, dates: Sequence[dt.date], *, hear: Hear = lambda _: None
) -> ZonesDone:
    """Bring a layer's series into step with the published days of a domain; one file a year is written at a time.

    A day is made again when its soil moisture or uncertainty changed, all are when the polygons or the error model did.
    Days outside ``dates`` stay as they are.

    Args:
        uri: the catalogue.
        domain: of the days or composites.
        layer: the polygons.
        folder: of all layers' series.
        dates: the days to look at; of composites all days of the periods, first days count.
        hear: told of each day that is made.

    Raises:
        ZoneError: no polygon lies in the domain, or a file of the series is damaged.
        CatalogError: a day's files are missing or damaged; years written before stand.
    """
    from catalog.reading.stack import stacked_days
    from downscaler.derived.zones import zone_weights

    published = {day.date: day for day in stacked_days(uri, domain, dates, READ)}
    years: dict[int, list[dt.date]] = defaultdict(list)
    for date in dates:
        years[date.year].append(date)
    weights = zone_weights([zone.geometry for zone in layer.zones], domain)
    if not weights.matrix.nnz:
        raise ZoneError("No polygon lies in the domain", value=layer.name, allowed=domain.title)
    made: list[dt.date] = []
    removed: list[dt.date] = []
    for year in sorted(years):
        one = _Year(uri, domain, layer, weights, folder, year)
        new, gone = one.update(years[year], published, hear)
        made, removed = made + new, removed + gone
    return ZonesDone(
        folder=folder / layer.name,
        zones=len(layer.zones),
        made=tuple(made),
        removed=tuple(removed),
        stood=len(published) - len(made),
    )


@dataclass(frozen=True)
class _Year:
    """One year's file."""

    uri: str
    domain: Domain
    layer: Layer
    weights: ZoneWeights
    folder: Path
    year: int

    def update(
        self, dates: Sequence[dt.date], published: Mapping[dt.date, StackedDay], hear: Hear
    ) -> tuple[list[dt.date], list[dt.date]]:
        """Days made and days removed; the file is written only where there are any."""
        from downscaler.stores.zones import describe_year, write_year, year_file

        path = year_file(self.folder, self.layer.name, self.year)
        before = describe_year(path)
        same = (before.layer_sha256, dict(before.parameters)) == (self.layer.sha256, self.parameters)
        held = dict(before.days) if same else {}
        days = [published[date] for date in dates if date in published]
        changed = [day for day in days if held.get(str(day.date)) != day.record.sha256]
        gone = [date for date in dates if str(date) in held and date not in published]
        if not same:  # other days of the file are of other polygons: they go with it
            path.unlink(missing_ok=True)
        tables = [self._rows(day, hear) for day in changed]
        kept = {day: told for day, told in held.items() if dt.date.fromisoformat(day) not in gone}
        if tables or gone:
            now = kept | {str(day.date): day.record.sha256 for day in changed}
            write_year(path, tables, self._about(now, days, before))
        return [day.date for day in changed], gone

    @property
    def errors(self) -> SpatialErrors:
        """Correlation of errors in space for this kind of days."""
        from downscaler import product
        from downscaler.derived.zones import SpatialErrors

        common, reach = product.ERROR_SPACE
        return SpatialErrors(common=common, reach=reach)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the numbers hang on beside the days and the polygons."""
        from downscaler import product

        errors = {"common": self.errors.common, "reach_km": self.errors.reach}
        return {"domain": self.domain.name, "errors": errors, "product_version": product.PRODUCT_VERSION}

    def _rows(self, day: StackedDay, hear: Hear) -> pa.Table:
        from catalog.reading.stack import open_stack
        from catalog.store.base import open_store
        from downscaler.derived.zones import zone_statistics
        from downscaler.ground.grid import Span, Window
        from downscaler.stores.zones import rows_of

        height, width = self.weights.shape
        whole = Window(rows=Span(start=0, stop=height), columns=Span(start=0, stop=width))
        with open_stack(open_store(self.uri), self.domain, [day], READ) as read:
            found = read(whole)
        hear(day.date)
        theta, sigma = (found[name][0] for name in READ)
        return rows_of(self.layer, day.date, zone_statistics(self.weights, theta, sigma, self.errors))

    def _about(self, days: Mapping[str, str], seen: Sequence[StackedDay], before: YearOfZones) -> YearOfZones:
        from downscaler.stores.zones import YearOfZones

        caveats = (*before.caveats, *(caveat for day in seen for caveat in day.caveats))
        return YearOfZones(
            layer=self.layer.name,
            layer_sha256=self.layer.sha256,
            parameters=self.parameters,
            days=days,
            simulated=before.simulated or any(day.simulated for day in seen),
            caveats=tuple(dict.fromkeys(caveats)),
        )
