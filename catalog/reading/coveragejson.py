"""A time series as CoverageJSON (OGC 21-069r2), domain type PointSeries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from catalog.reading.rasters import Cell
from catalog.reading.series import Reading
from downscaler import product
from downscaler.product import Variable

_PARAMETERS = ("soil_moisture", "uncertainty", "lower", "upper", "quality_flag")
_WGS84 = {"type": "GeographicCRS", "id": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}
_GREGORIAN = {"type": "TemporalRS", "calendar": "Gregorian"}


def coverage(
    domain_name: str, cell: Cell, readings: Sequence[Reading], *, simulated: bool | None = None
) -> dict[str, Any]:
    """The readings of a cell of a domain; days are times at 12:00 UTC, what is missing is null.

    ``simulated`` says whether any day is; then every parameter's description says so too, which clients show.
    """
    axes = {
        "x": {"values": [cell.lon]},
        "y": {"values": [cell.lat]},
        "t": {"values": [f"{reading.date.isoformat()}T12:00:00Z" for reading in readings]},
    }
    referencing = [
        {"coordinates": ["x", "y"], "system": _WGS84},
        {"coordinates": ["t"], "system": _GREGORIAN},
    ]
    told = [variable for variable in product.variables_of(domain_name) if variable.name in _PARAMETERS]
    return {
        "type": "Coverage",
        "domain": {"type": "Domain", "domainType": "PointSeries", "axes": axes, "referencing": referencing},
        "vadose:simulated": simulated,
        "parameters": {variable.name: _parameter(variable, simulated=bool(simulated)) for variable in told},
        "ranges": {variable.name: _range(variable, readings) for variable in told},
    }


def _parameter(variable: Variable, *, simulated: bool) -> dict[str, Any]:
    label = f" ({product.SIMULATED_LABEL})" if simulated else ""
    return {
        "type": "Parameter",
        "description": {"en": variable.description + label},
        "observedProperty": {"label": {"en": variable.title}},
        "unit": {"symbol": {"value": product.ucum(variable.units), "type": "http://www.opengis.net/def/uom/UCUM/"}},
    }


def _range(variable: Variable, readings: Sequence[Reading]) -> dict[str, Any]:
    return {
        "type": "NdArray",
        "dataType": "integer" if variable is product.QUALITY_FLAG else "float",
        "axisNames": ["t"],
        "shape": [len(readings)],
        "values": [getattr(reading, variable.name) for reading in readings],
    }
