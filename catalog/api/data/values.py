"""All values of a collection's items at one cell: what a click on the map tells, of any kind of item."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from catalog.api.data.dates import CollectionQuery, chosen_collection, day_of, simulated_in
from catalog.api.requests import LatQuery, LonQuery, absent, bad, checked_period, checked_point, known_parameters
from catalog.api.stac.holdings import Catalogue
from catalog.naming import domain_name
from catalog.reading.rasters import in_parallel, value_at
from catalog.reading.series import cell_at
from downscaler import product

router = APIRouter()
MOST_VALUES = 4000
"""Items times variables of one answer: each is a read of its own."""


@router.get("/values", summary="All values at a point", dependencies=[Depends(known_parameters)])
def values(
    request: Request,
    lon: LonQuery,
    lat: LatQuery,
    start: Annotated[str | None, Query(description="First day, YYYY-MM-DD; without it a year before the end")] = None,
    end: Annotated[str | None, Query(description="Last day, YYYY-MM-DD; without it the latest published")] = None,
    variables: Annotated[str | None, Query(description="Names with commas; without it all")] = None,
    collection: CollectionQuery = None,
) -> dict[str, Any]:
    """Every variable of each published item at one cell of 1 km2, with units and titles; null where there is none."""
    catalogue: Catalogue = request.app.state.catalogue
    held = catalogue.now()
    place, of = checked_point(lon, lat), chosen_collection(held, collection)
    document, known = held.collections[of][1], {v.name: v for v in product.variables_of(domain_name(of))}
    names = [name for name in (variables or ",".join(known)).split(",") if name]
    if unknown := [name for name in names if name not in known]:
        raise bad(f"{of} has no variable {unknown[0][:40]!r}. Those there are: {', '.join(known)}.")
    cell = cell_at(document, *place)
    if cell is None:
        raise absent(f"{of} has no cell at {place[0]:g}, {place[1]:g}.")
    days = held.days(of)[::-1]
    first, last = checked_period(start, end, latest=day_of(days[-1]) if days else dt.date(1970, 1, 1))
    chosen = [day for day in days if first <= day_of(day) <= last]
    wanted = [(day_of(day), day.files) for day in chosen]
    if len(wanted) * len(names) > MOST_VALUES:
        raise bad(f"One answer holds at most {MOST_VALUES} values; {len(wanted) * len(names)} were asked for.")

    def read(day: tuple[dt.date, Mapping[str, str]]) -> dict[str, Any]:
        date, keys = day
        found = {name: value_at(catalogue.store, keys[name], cell) for name in names if name in keys}
        shown = {name: round(value, 5) if math.isfinite(value) else None for name, value in found.items()}
        return {"date": str(date), **shown}

    told = {name: {"title": known[name].title, "units": known[name].units} for name in names}
    return {
        "collection": of,
        "cell": {"lon": cell.lon, "lat": cell.lat},
        "interval": product.INTERVAL,
        "simulated": simulated_in(chosen),
        "variables": told,
        "series": list(in_parallel(read, wanted)),
    }
