"""Names and units of ParFlow-CLM fields, in one table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from downscaler.errors import PriorSchemaError

STANDARD_NAMES = {
    "soil_moisture": "volume_fraction_of_condensed_water_in_soil",
    "elevation": "surface_altitude",
}
# Names in lower case, best first; the suffix _top marks a field of the top layer alone.
ALIASES: dict[str, tuple[str, ...]] = {
    "soil_moisture": ("soil_moisture", "surface_sm", "surface_soil_moisture", "sm_surface", "sm", "theta", "vwc"),
    "soil_moisture_layer2": ("soil_moisture_layer2",),
    "soil_moisture_layer3": ("soil_moisture_layer3",),
    "saturation": ("saturation", "satur"),
    "pressure": ("pressure", "pressure_head"),
    "precipitation": ("precipitation", "precip", "apcp", "tp", "pr"),
    "air_temperature": ("air_temperature", "tair", "temp", "t2m", "tas"),
    "spinup": ("spinup",),
    "mask": ("mask", "active", "land_mask"),
    "porosity": ("porosity", "porosity_top"),
    "residual_saturation": ("residual_saturation", "vg_sres", "vg_sres_top", "sres"),
    "elevation": ("elevation", "dem", "topography", "surface_altitude"),
    "slope_x": ("slope_x", "slopex"),
    "slope_y": ("slope_y", "slopey"),
    "permeability": ("permeability", "ksat", "ksat_top", "perm", "perm_x", "permeability_x", "permeability_top"),
    "van_genuchten_alpha": ("van_genuchten_alpha", "vg_alpha", "vg_alpha_top", "alpha"),
    "van_genuchten_n": ("van_genuchten_n", "vg_n", "vg_n_top"),
    "sand_fraction": ("sand_fraction_texture", "sand_fraction", "sand"),
    "clay_fraction": ("clay_fraction_texture", "clay_fraction", "clay"),
    "indicator": ("indicator", "soil_indicator_top", "soil_indicator", "pf_indicator", "indicator_top"),
    "land_cover": ("land_cover", "landcover", "landcover_igbp", "land_cover_igbp", "veg_type_igbp", "igbp"),
}
BELOW = ("soil_moisture_layer2", "soil_moisture_layer3")
"""Soil moisture of 0.1 to 0.4 m and of 0.4 to 1.0 m, as ParFlow-CLM's CONUS domains have these layers."""
_OVER_TIME = ("soil_moisture", *BELOW, "saturation", "pressure", "precipitation", "air_temperature", "spinup")
STATIC_NAMES = tuple(name for name in ALIASES if name not in (*_OVER_TIME, "mask"))
CLASS_NAMES = ("indicator", "land_cover")

_DIMENSIONLESS = ("1", "", "-", "none", "fraction", "m/m", "mm-1")
_FRACTION = ("m3m-3", "m3/m3", "m^3/m^3", "m**3m**-3", "cm3/cm3", "cm3cm-3", "m3.m-3", "m^3m^-3", *_DIMENSIONLESS)
# Accepted spellings (spaces and case ignored) of each field's units.
UNITS: dict[str, tuple[str, ...]] = {
    "soil_moisture": _FRACTION,
    **dict.fromkeys(BELOW, _FRACTION),
    "saturation": _DIMENSIONLESS,
    "pressure": ("m", "meter", "metre", "meters", "metres"),
    "porosity": _FRACTION,
    "residual_saturation": _DIMENSIONLESS,
    "elevation": ("m", "meter", "metre", "meters", "metres"),
    "slope_x": _DIMENSIONLESS,
    "slope_y": _DIMENSIONLESS,
    "permeability": ("mh-1", "m/h", "m/hr", "mhr-1", "mhour-1", "m/hour"),
    "van_genuchten_alpha": ("m-1", "1/m"),
    "van_genuchten_n": _DIMENSIONLESS,
    "sand_fraction": _DIMENSIONLESS,
    "clay_fraction": _DIMENSIONLESS,
}
SHOWN_UNITS = {
    "soil_moisture": "m3 m-3",
    **dict.fromkeys(BELOW, "m3 m-3"),
    "porosity": "m3 m-3",
    "precipitation": "mm day-1",
    "air_temperature": "K",
    "pressure": "m",
    "elevation": "m",
    "permeability": "m h-1",
    "van_genuchten_alpha": "m-1",
}


def find_name(name: str, present: Mapping[str, Mapping[str, object]]) -> str | None:
    """The file's variable that holds field ``name``: by CF standard name, else by alias; None when absent.

    ``present`` maps variable names to their attributes. An exact alias wins over a standard name, because files may
    give the same standard name to several layers.
    """
    lowered = {variable.lower(): variable for variable in present}
    for alias in ALIASES[name]:
        if alias in lowered:
            return lowered[alias]
    standard = STANDARD_NAMES.get(name)
    found = [
        variable for variable, attributes in present.items() if standard and attributes.get("standard_name") == standard
    ]
    return found[0] if len(found) == 1 else None


def check_units(name: str, variable: str, units: object, where: str) -> None:
    """Raise PriorSchemaError unless ``units`` is a spelling of the field's units; soil moisture must state them."""
    if name not in UNITS or (units is None and name != "soil_moisture"):
        return
    spelled = re.sub(r"\s+", "", str(units or "missing")).lower().replace("**", "").replace("^", "")
    if spelled not in {re.sub(r"\*\*|\^", "", unit) for unit in UNITS[name]}:
        raise PriorSchemaError(
            f"Variable {variable!r} of {where} has other units than {name.replace('_', ' ')} needs",
            value=repr(units),
            allowed=SHOWN_UNITS.get(name, "1 (dimensionless)"),
            remedy="Convert the file; units are never guessed.",
        )


def require(name: str, found: str | None, present: Iterable[str], where: str) -> str:
    """``found``, or PriorSchemaError that lists what the file has and which names are known."""
    if found is None:
        raise PriorSchemaError(
            f"{where} has no variable for {name.replace('_', ' ')}",
            value=", ".join(sorted(present)) or "no variable",
            allowed=(f"standard_name {STANDARD_NAMES[name]}, or " if name in STANDARD_NAMES else "")
            + ", ".join(ALIASES[name]),
        )
    return found
