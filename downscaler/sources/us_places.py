"""States and counties of the USA by name, with their outlines, from an installed package.

Source: U.S. Census Bureau, TIGER/Line shapefiles, simplified, as the package bokeh-sampledata brings them; they agree
with the release of 2009. The Census Bureau asks to be named and nothing else. What changed since is not in them, such
as the planning regions of Connecticut (2022).
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.util import find_spec
from typing import Literal, get_args

from downscaler.errors import MissingExtraError
from downscaler.sources.zones import Layer, Zone

Kind = Literal["states", "counties"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SOURCE = "US Census Bureau, TIGER/Line, by bokeh-sampledata"
_PACKAGE = "bokeh_sampledata"


def installed() -> bool:
    """Whether the package with the outlines is there."""
    return find_spec(_PACKAGE) is not None


@cache
def us_layer(kind: Kind) -> Layer:
    """All states with DC by their postal code, or all counties by their FIPS code, in degrees.

    Raises MissingExtraError where the package is not installed.
    """
    try:
        from bokeh_sampledata import us_counties, us_states
    except ImportError as error:
        raise MissingExtraError(
            "States and counties need a package that is not installed",
            value=error.name,
            remedy="pip install 'vadose[places]'",
        ) from None
    if kind == "states":
        zones = [Zone(id=one["code"], name=one["name"], geometry=one["geometry"]) for one in us_states.records()]
    else:
        found = us_counties.records()
        zones = [Zone(id=one["fips"], name=one["detailed_name"], geometry=one["geometry"]) for one in found]
    digest = hashlib.sha256()
    for zone in zones:
        digest.update(f"{zone.id} {zone.name} ".encode() + zone.geometry.wkb)
    return Layer(name=kind, sha256=digest.hexdigest(), zones=tuple(zones))
