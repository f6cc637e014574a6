"""The rules of alerts: which value, where, beyond which threshold; read from a TOML file."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from downscaler import product
from downscaler.derived.alerts import Threshold
from downscaler.errors import BROKEN, AlertError
from downscaler.ground.grid import LonLat
from downscaler.sources.us_places import KINDS as KINDS_OF_PLACES
from downscaler.sources.us_places import us_layer
from downscaler.sources.zones import read_layer

if TYPE_CHECKING:
    import shapely

KINDS: dict[str, product.Kind] = {
    "conserving": product.CONSERVING,
    "analysis": product.kind_of(product.ANALYSIS),
    "percentile": product.PERCENTILE,
    "rootzone": product.ROOT_ZONE,
    "outlook": product.OUTLOOK,
    **product.COMPOSITES,
}
"""What a rule may look at, by name."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_KEYS = ("name", "of", "variable", "above", "below", "place", "zones", "id", "webhook")
_BOUNDS = {"percentile": ("percentile_lower", "percentile_upper"), "soil_moisture": ("lower", "upper")}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule. ``where`` is a point or a polygon in degrees, ``called`` what it is in words.

    ``digest`` is of all that decides about its alerts; who is told does not.
    """

    name: str
    of: str
    variable: product.Variable
    threshold: Threshold
    where: LonLat | shapely.Geometry
    called: str
    digest: str
    webhook: str | None

    @property
    def bounds(self) -> tuple[str, ...]:
        """Rasters of the interval of the variable; none where it has none."""
        return _BOUNDS.get(self.variable.name, ())


def read_rules(path: Path) -> list[Rule]:
    """The rules of a file; polygons of it are looked for beside it.

    Raises AlertError where the file or a rule is unusable, ZoneError where a file of polygons is.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except BROKEN as error:
        raise AlertError("The file of alerts cannot be read", value=f"{path}: {error}") from error
    entries = told.get("alert")
    if set(told) != {"alert"} or not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise AlertError("The file of alerts has no rules", value=path, allowed="tables [[alert]], and nothing else")
    rules = [_rule(entry, path) for entry in entries]
    names = [rule.name for rule in rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise AlertError("Two alerts have one name", value=twice[0])
    return rules


def _rule(entry: Mapping[str, Any], path: Path) -> Rule:
    name = str(entry.get("name", ""))
    if unknown := sorted(set(entry) - set(_KEYS)):  # first: a mistyped key leaves the one that is meant away
        told = f"Alert {name}" if name else "An alert"
        raise AlertError(f"{told}: unknown key", value=unknown[0], allowed=list(_KEYS))
    if not _NAME.fullmatch(name):
        raise AlertError("An alert needs a name", value=repr(name), allowed="a-z, 0-9 and -, 64 characters at most")

    def refuse(what: str, value: object, allowed: str | list[str]) -> AlertError:
        return AlertError(f"Alert {name}: {what}", value=value, allowed=allowed)

    of = entry.get("of", "percentile")
    if of not in KINDS:
        raise refuse("unknown kind of days", of, list(KINDS))
    variables = {one.name: one for one in KINDS[of].variables if one is not product.QUALITY_FLAG}
    variable = entry.get("variable", KINDS[of].variables[0].name)
    if variable not in variables:
        raise refuse(f"the {of} days have no such variable", variable, list(variables))
    threshold = _threshold(entry, variables[variable], refuse)
    webhook = entry.get("webhook")
    if webhook is not None and not re.match(r"https?://[^/]", str(webhook)):
        raise refuse("its webhook is no address", webhook, "https://HOST/PATH")
    where, called, essence = _where(entry, path, refuse)
    essence = [of, variable, str(threshold), essence]
    return Rule(
        name=name,
        of=of,
        variable=variables[variable],
        threshold=threshold,
        where=where,
        called=called,
        digest=hashlib.sha256(json.dumps(essence).encode()).hexdigest(),
        webhook=webhook,
    )


def _threshold(entry: Mapping[str, Any], variable: product.Variable, refuse: Any) -> Threshold:
    """The threshold of a rule; refused where no value can reach it, as 20 of a soil moisture in m3 m-3."""
    told = {key: entry[key] for key in ("above", "below") if key in entry and not isinstance(entry[key], bool)}
    try:
        threshold = Threshold(**{key: float(value) for key, value in told.items()})
    except (ValueError, TypeError) as error:
        raise refuse("its threshold is none", error, "above = NUMBER, or below = NUMBER") from None
    low, high = variable.valid_min, variable.valid_max
    if any(value is not None and not low <= value <= high for value in (threshold.above, threshold.below)):
        raise refuse("no value reaches its threshold", threshold, f"{low:g} to {high:g} {variable.units}")
    return threshold


def _where(entry: Mapping[str, Any], path: Path, refuse: Any) -> tuple[Any, str, Any]:
    """The place of a rule, what it is called, and what tells that it is another."""
    if ("place" in entry) == ("zones" in entry):
        raise refuse("it needs one place", None, "place = [LON, LAT], or zones = FILE with id = ID")
    if "place" in entry:
        place = entry["place"]
        numbers = isinstance(place, list) and len(place) == 2 and all(type(v) in (int, float) for v in place)
        if not numbers or not (-180 <= place[0] <= 180 and -85 <= place[1] <= 85):
            raise refuse("its place is none", place, "[longitude, latitude] in degrees")
        lon, lat = (float(value) for value in place)
        return LonLat(lon=lon, lat=lat), f"{lat:.3f}, {lon:.3f}", [lon, lat]
    named, beside = str(entry["zones"]), path.parent / str(entry["zones"])
    layer = us_layer(named) if named in KINDS_OF_PLACES and not beside.exists() else read_layer(beside)
    zone = next((one for one in layer.zones if one.id == str(entry.get("id"))), None)
    if zone is None:
        raise refuse("the file has no such zone", entry.get("id"), [one.id for one in layer.zones[:5]])
    return zone.geometry, zone.name, zone.geometry.wkt
