"""The product, declared once: grid, domains, variables, encodings, flags, versions. All else derives from here."""

from __future__ import annotations

import datetime as dt
import difflib
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Any

from downscaler.errors import DomainError
from downscaler.ground import periods
from downscaler.ground.grid import M01, M09, M36, Domain, EaseGrid

PRODUCT_NAME = "vadose-soil-moisture-1km"
TITLE = "vadose 1 km² surface soil moisture"
PRODUCT_VERSION = "0.2.0"  # the published numbers and files; a change makes published days stale
ALGORITHM_VERSION = "0.2.0"  # the hybrid
SCHEMA_VERSION = "1"  # layout of model folders and items
PRIOR_SCHEMA_VERSION = "2"  # layout of prior stores
METHOD_DOI = "10.5194/egusphere-2026-2956"
METHOD_CITATION = (
    "Leonarduzzi, E., Gruber, A., and Maxwell, R. (2026): A hybrid physics and machine learning approach highlights "
    "and alleviates soil moisture downscaling challenges, EGUsphere, https://doi.org/10.5194/egusphere-2026-2956"
)
LICENSE = "CC-BY-4.0"
DEPTH_NOTE = (
    "The prior's top layer is 0-10 cm, SMAP senses about 0-5 cm: the sub-grid pattern and the coarse value are of "
    "different depths."
)
SIMULATED_LABEL = "simulated sample"

FIRST_DAY = dt.date(2015, 3, 31)  # of SMAP's science data: there is no granule, so no product, of an earlier day
GRID: EaseGrid = M01
COARSE_GRIDS: dict[str, EaseGrid] = {grid.name: grid for grid in (M09, M36)}
THETA_MIN, THETA_MAX = 0.0, 1.0  # m3/m3, hard physical limits of a volume fraction
CONSERVATION_TOLERANCE = 1e-6  # m3/m3, |block mean - SMAP| before encoding
INTERVAL = 0.90  # nominal coverage of [lower, upper]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One raster of the product.

    ``dtype`` is the stored type; ``nodata`` the fill in the file (NaN for floats); ``precision`` the largest error
    that bit-rounding may make twice over (values are kept to within precision / 2), None where values are exact.
    """

    name: str
    title: str
    description: str
    units: str
    dtype: str
    nodata: float
    valid_min: float
    valid_max: float
    precision: float | None = None
    standard_name: str | None = None
    cell_methods: str | None = None


SOIL_MOISTURE = Variable(
    name="soil_moisture",
    title="Volumetric surface soil moisture",
    description="Volume of liquid water per volume of soil near the surface; the mean over the active cells of each "
    "SMAP cell equals the SMAP retrieval.",
    units="m3 m-3",
    dtype="float32",
    nodata=float("nan"),
    valid_min=THETA_MIN,
    valid_max=THETA_MAX,
    precision=1e-4,
    standard_name="volume_fraction_of_condensed_water_in_soil",
    cell_methods="area: mean",
)
ANALYSED = (
    "Volume of liquid water per volume of soil near the surface: the best estimate of every 1 km cell and day, from "
    "SMAP's passes of the last weeks, the weather and the record of the ParFlow-CLM prior. It is complete and keeps "
    "no single retrieval; the SMAP-conserving days do."
)
UNCERTAINTY = Variable(
    name="uncertainty",
    title="Standard uncertainty of soil moisture",
    description="Standard deviation of the error of soil_moisture at 1 km: the downscaling's error on held-out "
    "blocks combined with the retrieval error.",
    units="m3 m-3",
    dtype="float32",
    nodata=float("nan"),
    valid_min=0.0,
    valid_max=THETA_MAX,
    precision=1e-4,
    standard_name="volume_fraction_of_condensed_water_in_soil standard_error",
)
LOWER = Variable(
    name="lower",
    title="Lower bound of the 90 % interval",
    description="Lower end of the interval meant to hold the true 1 km value with 90 % probability.",
    units="m3 m-3",
    dtype="float32",
    nodata=float("nan"),
    valid_min=THETA_MIN,
    valid_max=THETA_MAX,
    precision=1e-4,
)
UPPER = Variable(
    name="upper",
    title="Upper bound of the 90 % interval",
    description="Upper end of the interval meant to hold the true 1 km value with 90 % probability.",
    units="m3 m-3",
    dtype="float32",
    nodata=float("nan"),
    valid_min=THETA_MIN,
    valid_max=THETA_MAX,
    precision=1e-4,
)
QUALITY_FLAG = Variable(
    name="quality_flag",
    title="Quality flags",
    description="Bit field; 0 is a value without reservation.",
    units="1",
    dtype="uint16",
    nodata=65535,
    valid_min=0,
    valid_max=16383,
    standard_name="quality_flag",
)
OBSERVATION_TIME = Variable(
    name="observation_time",
    title="Time of the SMAP observation",
    description="Minutes from 00:00 UTC of the item's day to the SMAP observation used; negative when it is of an "
    "earlier day.",
    units="min",
    dtype="int16",
    nodata=-32768,
    valid_min=-32767,
    valid_max=2879,
    cell_methods="time: point",
)
SMAP_AGE = Variable(
    name="smap_age",
    title="Age of the last SMAP retrieval",
    description="Days since the SMAP cell's last recommended retrieval that the analysis uses; no data without.",
    units="d",
    dtype="int16",
    nodata=-32768,
    valid_min=0,
    valid_max=366,
)
SMAP_SHARE = Variable(
    name="smap_share",
    title="Share of SMAP in the analysis",
    description="Share of the variance of the coarse value that SMAP's passes take away: 0 is climatology and weather "
    "alone, 1 is SMAP alone.",
    units="1",
    dtype="float32",
    nodata=float("nan"),
    valid_min=0.0,
    valid_max=1.0,
    precision=1e-2,
)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One number that a daily item tells beside its rasters, as the property ``vadose:NAME``."""

    name: str
    description: str
    units: str


SMAP_ERROR = Fact(
    name="smap_error",
    description="Standard error of SMAP's retrievals on that day, the median over those used: stated by SMAP, else "
    "found in the day's own pass (of an analysis: in the passes of its window), else the nominal 0.04. The provenance "
    "record has range, numbers of each kind and what the pass was found to be under `findings`.",
    units="m3 m-3",
)
ANALYSIS_CHANGE = 0.002  # m3 m-3, change of a SMAP cell's analysis below which a published day stands
VARIABLES: tuple[Variable, ...] = (SOIL_MOISTURE, UNCERTAINTY, LOWER, UPPER, QUALITY_FLAG, OBSERVATION_TIME)


class Flag(IntFlag):
    """Bits of ``quality_flag``; several may be set."""

    FILL = 1 << 0
    SMAP_NOT_RECOMMENDED = 1 << 1
    GAP_FILLED = 1 << 2
    FROZEN_OR_SNOW = 1 << 3
    OPEN_WATER = 1 << 4
    URBAN = 1 << 5
    DENSE_VEGETATION = 1 << 6
    OUTSIDE_APPLICABILITY = 1 << 7
    STALE_PRIOR = 1 << 8
    CLIPPED = 1 << 9
    WITHOUT_SMAP = 1 << 10
    SMAP_L4 = 1 << 11
    PRELIMINARY_WEATHER = 1 << 12
    WITHOUT_WEATHER = 1 << 13


FLAG_MEANINGS: dict[Flag, str] = {
    Flag.FILL: "no value: no retrieval, or no land with a prior here",
    Flag.SMAP_NOT_RECOMMENDED: "a SMAP retrieval exists but is not recommended; no value is published",
    Flag.GAP_FILLED: "carried forward from an earlier retrieval and the prior",
    Flag.FROZEN_OR_SNOW: "SMAP reports frozen ground, snow or ice in the cell",
    Flag.OPEN_WATER: "SMAP reports open water in the cell",
    Flag.URBAN: "SMAP reports urban area in the cell",
    Flag.DENSE_VEGETATION: "SMAP reports dense vegetation in the cell",
    Flag.OUTSIDE_APPLICABILITY: "predictors unlike those the model was trained on",
    Flag.STALE_PRIOR: "the prior has no data of this date; the statistics of its record stand in",
    Flag.CLIPPED: "held at residual water content or porosity",
    Flag.WITHOUT_SMAP: "analysis without a SMAP retrieval of the cell in its window: neighbours, weather, climatology",
    Flag.SMAP_L4: "SMAP is silent: the coarse value is of SMAP L4, a model that assimilates SMAP; no retrieval",
    Flag.PRELIMINARY_WEATHER: "made with rain of a preliminary product, which the final one supersedes",
    Flag.WITHOUT_WEATHER: "made without the rain of the last days: neither prior nor weather store holds it",
}

CONUS = Domain.from_bounds("conus", "Contiguous USA", west=-125.0, south=24.5, east=-66.5, north=49.5)
LITTLE_WASHITA = Domain.from_bounds(
    "little-washita", "Little Washita, Oklahoma", west=-98.331, south=34.674, east=-97.882, north=35.044
)
UPPER_VERDE = Domain.from_bounds(
    "upper-verde", "Upper Verde, Arizona", west=-112.726, south=34.438, east=-111.354, north=35.408
)
DEMO = Domain.from_bounds(
    "demo", "Ouachita Mountains, Arkansas and Oklahoma", west=-95.1, south=34.0, east=-93.6, north=35.3
)
DOMAINS: dict[str, Domain] = {d.name: d for d in (CONUS, LITTLE_WASHITA, UPPER_VERDE, DEMO)}


def ucum(units: str) -> str:
    """A CF unit as a code of UCUM, which has a full stop between factors: m3.m-3.

    Source: The Unified Code for Units of Measure, https://ucum.org/ucum.
    """
    return units.replace(" ", ".")


def cf_attributes(variable: Variable, **more: str) -> dict[str, Any]:
    """CF attributes of a variable, those in ``more`` among them; flags with their masks and meanings."""
    found: dict[str, Any] = {
        "long_name": variable.title,
        "comment": variable.description,
        "units": variable.units,
        **more,
    }
    optional = {"standard_name": variable.standard_name, "cell_methods": variable.cell_methods}
    found |= {name: value for name, value in optional.items() if value is not None}
    if variable is QUALITY_FLAG:
        found["flag_masks"] = [flag.value for flag in FLAG_MEANINGS]
        found["flag_meanings"] = " ".join(str(flag.name).lower() for flag in FLAG_MEANINGS)
    return found


ANALYSIS = "analysis_"
"""What the name of a domain begins with under which its analyses are published, beside the SMAP-conserving days."""
_LINEAGE = (
    "SMAP soil moisture downscaled to 1 km with the sub-grid pattern that XGBoost learned from ParFlow-CLM; "
    "the mean over the active cells of each SMAP cell equals the retrieval."
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the items of a collection are; ``prefix`` is what the names of its domains begin with.

    ``variables`` are its rasters, the first the one that pictures show; ``length`` is the period of one item.
    """

    prefix: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    lineage: str
    length: periods.Length = "day"


CONSERVING = Kind(prefix="", title="", description=SOIL_MOISTURE.description, variables=VARIABLES, lineage=_LINEAGE)
_COMPOSED = (
    "Mean soil moisture of {}, each daily value weighted by the inverse of its error variance, with the number of "
    "days, their spread, and an uncertainty that counts the errors of different days as correlated. A quality flag is "
    "set where at least half of the days with a value have it."
)
COMPOSITE_VARIABLES: tuple[Variable, ...] = (
    replace(
        SOIL_MOISTURE,
        title="Mean volumetric surface soil moisture",
        description="Volume of liquid water per volume of soil near the surface: the mean over the period's days with "
        "a value, weighted by the inverse of their error variance.",
        cell_methods="area: mean time: mean",
    ),
    replace(
        UNCERTAINTY,
        title="Standard uncertainty of the mean",
        description="Standard deviation of the error of soil_moisture, the mean over the days with a value; errors of "
        "different days are taken as correlated, the more so the closer the days are.",
    ),
    replace(LOWER, description="Lower end of the interval meant to hold the true mean with 90 % probability."),
    replace(UPPER, description="Upper end of the interval meant to hold the true mean with 90 % probability."),
    QUALITY_FLAG,
    Variable(
        name="days",
        title="Days with a value",
        description="Number of the period's days with a value.",
        units="1",
        dtype="uint8",
        nodata=255,
        valid_min=0,
        valid_max=31,
        cell_methods="time: count",
    ),
    Variable(
        name="spread",
        title="Spread of the days",
        description="Standard deviation of the daily values about their weighted mean; 0 where one day has a value.",
        units="m3 m-3",
        dtype="float32",
        nodata=float("nan"),
        valid_min=0.0,
        valid_max=THETA_MAX,
        precision=1e-4,
        cell_methods="time: standard_deviation",
    ),
)


def _composites(prefix: str, title: str, what: str, length: periods.Length) -> Kind:
    told = _COMPOSED.format(what)
    lineage = f"{told} Made from the analyses, or from the SMAP-conserving days where there are none."
    return Kind(
        prefix=prefix, title=title, description=told, variables=COMPOSITE_VARIABLES, lineage=lineage, length=length
    )


COMPOSITES: dict[str, Kind] = {
    "3day": _composites("3day_", "3-day mean", "three days", "three days"),
    "weekly": _composites("weekly_", "weekly mean", "an ISO week, Monday to Sunday", "week"),
    "monthly": _composites("monthly_", "monthly mean", "a calendar month", "month"),
}
# Errors over uncertainty against simulated truth, by lag: demo, 10 SMAP-conserving days, 0.57 0.39 0.36 0.36 after 1
# to 4 days; a part of it, 3 analyses, 0.96 0.93 (`python -m tests.benchmarks.bench_composite` measures them).
ERROR_MEMORY: dict[str, tuple[float, float]] = {"analysis": (0.8, 4.0), "conserving": (0.4, 1.0)}
"""Lasting share and days by kind of day: a pixel's errors ``lag`` days apart correlate as share + (1 - share)
exp(-lag / days)."""
# Of the demo against its truth, 7 SMAP-conserving days: 0.36 within a 36 km cell, 0.26 at 36 km, 0.18 at 72 km, 0.13 at
# 102 km.
ERROR_SPACE = (0.36, 100.0)
"""Share of a cell's error variance that is common to its 36 km cell, and km over which that fades by a factor of e."""
DAY = "day"
"""The kind of an input that is a published day."""


def _percent(name: str, title: str, description: str, *, whole: bool = False) -> Variable:
    """A share in percent: of whole ones in a byte, else to a tenth."""
    return Variable(
        name=name,
        title=title,
        description=description,
        units="%",
        dtype="uint8" if whole else "float32",
        nodata=255 if whole else float("nan"),
        valid_min=0,
        valid_max=100,
        precision=None if whole else 0.1,
    )


MOST_DAYS_SINCE = 25


def _days_since(name: str, what: str, meaning: str) -> Variable:
    return Variable(
        name=name,
        title=f"Days since the percentile was {what}",
        description=f"Days since the percentile was last {what}, {meaning}; 0 where it is today, {MOST_DAYS_SINCE} "
        "stands for that many or more. Days without a value count as days.",
        units="d",
        dtype="uint8",
        nodata=255,
        valid_min=0,
        valid_max=MOST_DAYS_SINCE,
    )


CLASSES: dict[str, str] = {
    **{
        f"d{n}": f"Drought class D{n}: percentile {span}"
        for n, span in enumerate(("20 to 30", "10 to 20", "5 to 10", "2 to 5", "2 or less"))
    },
    **{
        f"w{n}": f"Wet class W{n}: percentile {span}"
        for n, span in enumerate(("70 to 80", "80 to 90", "90 to 95", "95 to 98", "98 or more"))
    },
}
"""Classes by the names of their rasters, after the US Drought Monitor; the wet ones mirror the dry ones."""
USUAL = (10, 50, 90)
"""Percentiles of the climatology that are published beside a day: the usual range of its season, and its middle."""


def _usual(share: int) -> Variable:
    return replace(
        SOIL_MOISTURE,
        name=f"climatology_p{share}",
        title=f"{share}th percentile of the season",
        description=f"Value that {share} % of the climatology of the pixel and season lie below. Of a short record it "
        "is uncertain, as the interval of the percentile tells.",
    )


PERCENTILE_VARIABLES: tuple[Variable, ...] = (
    _percent(
        "percentile",
        "Percentile of soil moisture",
        "Share of the climatology of the pixel and season below the day's value.",
    ),
    _percent(
        "percentile_lower",
        "Lower bound of the percentile",
        "Lower end of the 90 % interval of the percentile: of the value and of the short record.",
    ),
    _percent("percentile_upper", "Upper bound of the percentile", "Upper end of the 90 % interval of the percentile."),
    Variable(
        name="anomaly",
        title="Anomaly of soil moisture",
        description="The day's value less the mean of its climatology.",
        units="m3 m-3",
        dtype="float32",
        nodata=float("nan"),
        valid_min=-1.0,
        valid_max=1.0,
        precision=1e-4,
    ),
    *(
        _percent(f"probability_{name}", f"Probability of {name.upper()}", f"{told}.", whole=True)
        for name, told in CLASSES.items()
    ),
    _percent(
        "probability_flash",
        "Probability of a flash drought",
        "Probability that the day ends a flash drought: the five-day mean percentile is at most 20, and was at least "
        "40 in one of the four five-day spans before (Ford and Labosier 2017). No data where fewer than three days of "
        "the last span, or of all spans before, are known.",
        whole=True,
    ),
    _days_since("days_dry", "above 30", "out of all drought classes"),
    _days_since("days_wet", "below 70", "out of all wet classes"),
    *(_usual(share) for share in USUAL),
    QUALITY_FLAG,
)
PERCENTILE = Kind(
    prefix="percentile_",
    title="percentile",
    description="Where each day's soil moisture lies in the climatology of its pixel and season, with the interval of "
    "that percentile, the anomaly, the probability of each drought and wet class and of a flash drought, and how "
    "long it has been dry or wet.",
    variables=PERCENTILE_VARIABLES,
    lineage="Analyses against the same season of earlier years and, while these are fewer than ten, of the ParFlow-CLM "
    "prior brought to their mean and variance.",
)


def _layer(name: str, span: str) -> tuple[Variable, Variable]:
    value = replace(
        SOIL_MOISTURE,
        name=name,
        title=f"Soil moisture from {span}",
        description=f"Volume of liquid water per volume of soil from {span}, carried down from the analyses.",
    )
    doubt = replace(
        UNCERTAINTY,
        name=f"{name}_uncertainty",
        title=f"Standard uncertainty from {span}",
        description=f"Standard deviation of the error of {name}: of the carrying down and of the surface.",
    )
    return value, doubt


ROOT_ZONE_VARIABLES: tuple[Variable, ...] = (
    replace(
        SOIL_MOISTURE,
        title="Root-zone soil moisture, 0 to 1 m",
        description="Volume of liquid water per volume of soil, mean of 0 to 1 m below the surface.",
    ),
    replace(
        UNCERTAINTY,
        title="Standard uncertainty of the root zone",
        description="Standard deviation of the error of soil_moisture: what carrying the surface down gets wrong, "
        "known from held-out stretches of the prior, and the errors of the analyses, which last.",
    ),
    replace(LOWER, description="Lower end of the interval meant to hold the true mean of 0 to 1 m with 90 %."),
    replace(UPPER, description="Upper end of the interval meant to hold the true mean of 0 to 1 m with 90 %."),
    *_layer("layer2", "0.1 to 0.4 m"),
    *_layer("layer3", "0.4 to 1 m"),
    Variable(
        name="available_water",
        title="Plant-available water, 0 to 1 m",
        description="Water between wilting point (1500 kPa) and field capacity (33 kPa) of the prior's soil. Its "
        "uncertainty is that of soil_moisture times 1000 mm; the soil's own is not known.",
        units="mm",
        dtype="float32",
        nodata=float("nan"),
        valid_min=0.0,
        valid_max=1000.0,
        precision=0.1,
    ),
    _percent(
        "available_share",
        "Share of the plant-available water that the soil can hold",
        "Plant-available water over what lies between wilting point and field capacity.",
    ),
    QUALITY_FLAG,
)
ROOT_ZONE = Kind(
    prefix="rootzone_",
    title="root zone",
    description="Soil moisture of 0 to 1 m and of two layers within it, with uncertainty, and plant-available water: "
    "the surface carried down by what ParFlow-CLM's own layers know. A day looks back on 120 days.",
    variables=ROOT_ZONE_VARIABLES,
    lineage="Exponential filters of the analyses of 120 days, weighted cell by cell as learned from the ParFlow-CLM "
    "prior's layers.",
)
OUTLOOK_LEADS = tuple(range(1, 11))
"""Days ahead that an outlook may tell of."""


def _ahead(days: int) -> tuple[Variable, Variable]:
    when = "in 1 day" if days == 1 else f"in {days} days"
    value = replace(
        SOIL_MOISTURE,
        name=f"soil_moisture_day{days}",
        title=f"Soil moisture {when}",
        description=f"Volume of liquid water per volume of soil near the surface, expected {when}; no data where "
        "so long a lead was not better than persistence and climatology.",
    )
    doubt = replace(
        UNCERTAINTY,
        name=f"uncertainty_day{days}",
        title=f"Standard uncertainty {when}",
        description=f"Standard deviation of the error of {value.name}; it does not fall with the days ahead. The 90 % "
        "interval is 1.645 of them to either side.",
    )
    return value, doubt


OUTLOOK = Kind(
    prefix="outlook_",
    title="outlook",
    description="Soil moisture expected 1 to 10 days after an analysis, with uncertainty: what is left of its "
    "departure from climatology, as that fades in the ParFlow-CLM prior. It knows of no weather to come. The item's "
    "day is that of the analysis.",
    variables=(*(variable for days in OUTLOOK_LEADS for variable in _ahead(days)), QUALITY_FLAG),
    lineage="The analysis' departure from the prior's climatology, faded by the days ahead as learned cell by cell "
    "from the ParFlow-CLM prior; given for leads that beat persistence and climatology on kept parts of its record.",
)
KINDS: tuple[Kind, ...] = (
    Kind(
        prefix=ANALYSIS,
        title="analysis",
        description=ANALYSED,
        variables=(
            replace(SOIL_MOISTURE, description=ANALYSED),
            replace(
                UNCERTAINTY,
                description="Standard deviation of the error of soil_moisture at 1 km: of the cell's response to its "
                "SMAP cell, of the SMAP cells' values, and of what both left in analyses of the prior's record.",
            ),
            *VARIABLES[2:],
            SMAP_AGE,
            SMAP_SHARE,
        ),
        lineage="SMAP's passes of the last 30 days, joined in space and time with what weather and record of the "
        "ParFlow-CLM prior expect, and brought to 1 km by each cell's response in that record and the pattern that "
        "XGBoost learned from it. SMAP cells' means are not held to any retrieval.",
    ),
    *COMPOSITES.values(),
    PERCENTILE,
    ROOT_ZONE,
    OUTLOOK,
)


def kind_of(domain_name: str) -> Kind:
    """What a domain's items are, by the beginning of its name; the SMAP-conserving days where there is none."""
    return next((kind for kind in KINDS if domain_name.startswith(kind.prefix)), CONSERVING)


def under(kind: Kind, domain: Domain) -> Domain:
    """The same ground, under the name and title of a kind's items; ``domain`` is of the SMAP-conserving days."""
    if not kind.prefix:
        return domain
    return replace(domain, name=f"{kind.prefix}{domain.name}", title=f"{domain.title}, {kind.title}")


def analysis_of(domain: Domain) -> Domain:
    """The same ground, under the name and title of its analyses."""
    return under(kind_of(ANALYSIS), domain)


def is_analysis(domain_name: str) -> bool:
    """Whether a domain's name is that of its analyses."""
    return domain_name.startswith(ANALYSIS)


def variables_of(domain_name: str) -> tuple[Variable, ...]:
    """The rasters of a domain's items, the first the one that pictures show."""
    return kind_of(domain_name).variables


def cube_variables(domain_name: str) -> tuple[Variable, ...]:
    """What a cube holds of a domain's items: of days ``VARIABLES``, of other daily kinds all; none of composites.

    A cube has one place a day, and composites are of several.
    """
    kind = kind_of(domain_name)
    if kind.length != "day":
        return ()
    names = {variable.name for variable in VARIABLES}
    of_a_day = tuple(variable for variable in kind.variables if variable.name in names)
    return of_a_day if len(of_a_day) == len(names) else kind.variables


def last_day(domain_name: str, first: dt.date) -> dt.date:
    """Last day of the item that begins on a day: the same day but for composites."""
    return periods.last_day(kind_of(domain_name).length, first)


def describe_days(domain_name: str) -> str:
    """What a domain's items are, in a sentence or two."""
    return kind_of(domain_name).description


def variable(name: str) -> Variable:
    """The product's variable of that name; raises KeyError when there is none."""
    return {v.name: v for v in VARIABLES}[name]


def domain(name: str) -> Domain:
    """A preset by name, or ``west,south,east,north`` in degrees snapped outward to whole 36 km cells.

    Raises DomainError for another name, bounds that are no numbers, or none on the grid.

    Example:
        >>> domain("little-washita").shape(M36)
        Shape2d(x=2, y=2)
    """
    if (kind := kind_of(name)).prefix:
        return under(kind, domain(name.removeprefix(kind.prefix)))
    if name in DOMAINS:
        return DOMAINS[name]
    if "," in name:
        try:
            west, south, east, north = (float(part) for part in name.split(","))
        except ValueError:
            raise DomainError("Invalid bounds of a domain", value=name, allowed="west,south,east,north") from None
        slug = "box" + "".join(f"_{'m' if v < 0 else ''}{abs(v):g}" for v in (west, south, east, north))
        return Domain.from_bounds(slug, f"Box {name}", west=west, south=south, east=east, north=north)
    near = difflib.get_close_matches(name, DOMAINS, n=1)
    raise DomainError(
        "Unknown domain",
        value=repr(name),
        allowed=[*DOMAINS, "west,south,east,north in degrees"],
        remedy=f"Did you mean {near[0]!r}?" if near else None,
    )
