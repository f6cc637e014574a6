"""Series of zones from published days: only the days that changed since are read again."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from downscaler.errors import ZoneError

if TYPE_CHECKING:
    import pyarrow as pa

    from catalog.reading.stack import StackedDay
    from downscaler.derived.zones import SpatialErrors, ZoneWeights
    from downscaler.ground.blocks import Floats
    from downscaler.ground.grid import Domain
    from downscaler.product import Variable
    from downscaler.sources.landcover import Mask
    from downscaler.sources.zones import Layer
    from downscaler.stores.zones import YearOfZones

READ = ("soil_moisture", "uncertainty")
OTHERS = ("percentile", "rootzone")
"""Kinds whose series have more columns."""
_REACH = 1.6448536269514722  # standard deviations to either end of a 90 % interval
Hear = Callable[[dt.date], None]


@dataclass(frozen=True, kw_only=True)
class ZonesDone:
    """What became of a layer's series: days made, days taken out as they are published no more, days that stood.

    Of ``zones`` polygons ``inside`` have a part in the domain.
    """

    folder: Path
    zones: int
    inside: int
    made: tuple[dt.date, ...]
    removed: tuple[dt.date, ...]
    stood: int


def make_zones(
    uri: str,
    domain: Domain,
    layer: Layer,
    folder: Path,
    dates: Sequence[dt.date],
    *,
    mask: Mask | None = None,
    hear: Hear = lambda _: None,
) -> ZonesDone:
    """Bring a layer's series into step with the published days of a domain; one file a year is written at a time.

    A day is made again when its soil moisture or uncertainty changed, all are when the polygons or the error model did.
    Days outside ``dates`` stay as they are.

    Args:
        uri: the catalogue.
        domain: of the days, composites, percentiles or root zones.
        layer: the polygons.
        folder: of all layers' series.
        dates: the days to look at; of composites all days of the periods, first days count.
        mask: of each cell the share that counts; all of it without.
        hear: told of each day that is made.

    Raises:
        ZoneError: no polygon, or nothing of the mask in one, lies in the domain, a file of the series is damaged, or
            the folder holds the series of the analyses and these days are SMAP-conserving.
        OutputError: ``folder`` is a file, or may not be written.
        CatalogError: a day's files are missing or damaged; years written before stand.
    """
    from catalog.reading.stack import stacked_days
    from downscaler.derived.zones import masked, zone_weights
    from downscaler.parts import folder_to_write
    from downscaler.stores.zones import year_file

    what = Measured.of(domain)
    published = {day.date: day for day in stacked_days(uri, domain, dates, what.names)}
    years: dict[int, list[dt.date]] = defaultdict(list)
    for date in dates:
        years[date.year].append(date)
    weights = zone_weights([zone.geometry for zone in layer.zones], domain)
    if not weights.matrix.nnz:
        raise ZoneError("No polygon lies in the domain", value=layer.name, allowed=domain.title)
    if mask is not None:
        weights = masked(weights, mask.share)
        if not weights.matrix.sum():
            raise ZoneError("Nothing of the mask lies in the polygons", value=mask.name)
    named = series_name(layer.name, domain)
    _keep_analyses(folder_to_write(folder / named), domain)
    made: list[dt.date] = []
    removed: list[dt.date] = []
    for year in sorted(years):
        one = _Year(uri, domain, layer, weights, year_file(folder, named, year), what, mask)
        new, gone = one.update(years[year], published, hear)
        made, removed = made + new, removed + gone
    return ZonesDone(
        folder=folder / named,
        zones=len(layer.zones),
        inside=int(np.count_nonzero(np.diff(weights.matrix.indptr))),
        made=tuple(made),
        removed=tuple(removed),
        stood=len(published) - len(made),
    )


def _keep_analyses(folder: Path, domain: Domain) -> None:
    """Raises ZoneError where SMAP-conserving days would replace analyses; these do take the place of those."""
    from downscaler.product import analysis_of
    from downscaler.stores.zones import describe_year

    if any(
        describe_year(file).parameters.get("domain") == analysis_of(domain).name for file in folder.glob("*.parquet")
    ):
        raise ZoneError(
            "The folder holds the series of the analyses, which SMAP-conserving days would replace",
            value=folder,
            remedy="Name another folder with --out.",
        )


def series_name(layer: str, domain: Domain) -> str:
    """What the folder of a layer's series is called: the layer, for other kinds than days LAYER-KIND."""
    from downscaler.product import COMPOSITES

    other = next((name for name in (*OTHERS, *COMPOSITES) if domain.name.startswith(f"{name}_")), None)
    return f"{layer}-{other}" if other else layer


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What is averaged of a kind: the quantity with an interval, in units of ``scale``, and others by their means."""

    names: tuple[str, ...]
    means: tuple[Variable, ...]
    scale: float
    schema: pa.Schema

    @classmethod
    def of(cls, domain: Domain) -> Measured:
        """Of soil moisture its mean; of percentiles and root zones of all variables too."""
        from downscaler import product
        from downscaler.stores.zones import SCHEMA, columns_of, schema_of

        kind = product.kind_of(domain.name)
        if kind is product.PERCENTILE:
            skipped = ("percentile", "percentile_lower", "percentile_upper", "quality_flag")
            means = tuple(v for v in kind.variables if v.name not in skipped)
            names = (*skipped[:3], *(v.name for v in means))
            return cls(names=names, means=means, scale=100.0, schema=schema_of(columns_of("percentile", "%", means)))
        if kind is product.ROOT_ZONE:
            own = (*READ, "lower", "upper", "quality_flag")
            means = tuple(v for v in kind.variables if v.name not in own and "uncertainty" not in v.name)
            columns = columns_of("soil moisture, 0 to 1 m", "m3 m-3", means)
            return cls(names=(*READ, *(v.name for v in means)), means=means, scale=1.0, schema=schema_of(columns))
        return cls(names=READ, means=(), scale=1.0, schema=SCHEMA)

    def statistics(
        self, weights: ZoneWeights, fields: Mapping[str, np.ndarray], errors: SpatialErrors
    ) -> dict[str, Floats]:
        """The columns of a day by name, from its rasters [y, x].

        A percentile's standard error is taken from its interval, and its errors to be as alike in space as those of
        soil moisture. The mean of a class's probability is the share of the zone that is expected in the class.
        """
        from downscaler.derived.zones import zone_means, zone_statistics

        value, doubt = fields[self.names[0]], fields[self.names[1]]
        if self.scale != 1.0:
            value = value / self.scale
            doubt = (fields[self.names[2]] - doubt) / self.scale / (2.0 * _REACH)
        found = zone_statistics(weights, value, doubt, errors)
        scaled = {name: values if name == "cover" else self.scale * values for name, values in found.items()}
        others = {}
        for variable in self.means:
            field = fields[variable.name].astype(np.float64)
            others[variable.name] = np.where(field == variable.nodata, np.nan, field)
        return scaled | zone_means(weights, others)


@dataclass(frozen=True)
class _Year:
    """One year's file."""

    uri: str
    domain: Domain
    layer: Layer
    weights: ZoneWeights
    path: Path
    what: Measured
    mask: Mask | None

    def update(
        self, dates: Sequence[dt.date], published: Mapping[dt.date, StackedDay], hear: Hear
    ) -> tuple[list[dt.date], list[dt.date]]:
        """Days made and days removed; the file is written only where there are any."""
        from downscaler.stores.zones import YearOfZones, describe_year, write_year

        path = self.path
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
            write_year(path, tables, self._about(now, days, before if same else YearOfZones()))
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
        mask = {} if self.mask is None else {"mask": self.mask.told}
        return {"domain": self.domain.name, "errors": errors, "product_version": product.PRODUCT_VERSION} | mask

    def _rows(self, day: StackedDay, hear: Hear) -> pa.Table:
        from catalog.reading.stack import open_stack
        from catalog.store.base import open_store
        from downscaler.ground.grid import Span, Window
        from downscaler.stores.zones import rows_of

        height, width = self.weights.shape
        whole = Window(rows=Span(start=0, stop=height), columns=Span(start=0, stop=width))
        with open_stack(open_store(self.uri), self.domain, [day], self.what.names) as read:
            found = read(whole)
        hear(day.date)
        fields = {name: values[0] for name, values in found.items()}
        return rows_of(self.layer, day.date, self.what.statistics(self.weights, fields, self.errors), self.what.schema)

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
