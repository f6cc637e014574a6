"""Triple collocation, for triplets whose errors are independent; refused for all others.

SMAP and ParFlow-CLM are inputs of the product, so neither may stand in a triplet with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import TripletError
from downscaler.skill.interval import Interval, interval
from downscaler.validation.bootstrap import Draws
from downscaler.validation.metrics import moments

Floats = NDArray[np.float64]
PRODUCT_INPUTS = ("SMAP", "ParFlow-CLM")
STATIONS = "in situ"
MIN_TRIPLETS = 100  # as the field asks for (Zwieback et al. 2012, doi:10.5194/npg-19-69-2012)
LEAST_R = 0.1


@dataclass(frozen=True, kw_only=True)
class Source:
    """One of three data sets: its name and what it is made from."""

    name: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Triplet:
    """Medians over sites of what triple collocation tells of each source, and the number of sites.

    ``error`` is the standard deviation of the random error in the stations' scale, m3 m-3; ``r`` the correlation with
    the unknown truth.
    """

    error: dict[str, Interval]
    r: dict[str, Interval]
    sites: int


def require_independent(sources: Sequence[Source]) -> None:
    """Raise TripletError unless there are three sources that name their inputs and share none.

    The triplet's errors must be independent of each other and of the truth (Gruber et al. 2016,
    doi:10.1016/j.jag.2015.09.002); data made from the same measurements are not.
    """
    if len(sources) != 3:
        raise TripletError(
            "Triple collocation needs three sources",
            value=", ".join(source.name for source in sources) or "none",
            allowed="product, stations and a third that is independent of both",
            remedy="Give one with --third PATH --third-inputs NAMES, such as an active microwave product.",
        )
    silent = [source.name for source in sources if not source.inputs]
    if silent:
        raise TripletError(
            "The inputs of a source of the triplet are not stated",
            value=", ".join(silent),
            allowed="names of its inputs",
            remedy="Name them with --third-inputs, such as --third-inputs ASCAT.",
        )
    seen: dict[str, str] = {}
    for source in sources:
        for entry in source.inputs:
            key = "".join(ch for ch in entry.lower() if ch.isalnum())
            held = next((name for known, name in seen.items() if known in key or key in known), None)
            if held is not None:
                raise TripletError(
                    "The errors of the triplet are not independent",
                    value=f"{source.name} and {held} are both made from {entry}",
                    allowed="sources without a common input; SMAP and ParFlow-CLM are inputs of the product",
                )
        for entry in source.inputs:
            seen["".join(ch for ch in entry.lower() if ch.isalnum())] = source.name


def triplet(values: dict[str, Floats], draws: Draws) -> Triplet:
    """Error standard deviations and correlations with the truth, medians over the sites.

    From covariances Q (Stoffelen 1998, doi:10.1029/97JC03180; McColl et al. 2014, doi:10.1002/2014GL061322): error
    variance of x is Qxx - Qxy Qxz / Qyz, R² is Qxy Qxz / (Qxx Qyz); errors are scaled to the first source.

    Args:
        values: three sources by name, the reference first [sites, days].
        draws: of days and sites.

    Raises:
        TripletError: no site has ``MIN_TRIPLETS`` triplets whose members are all positively related.
    """
    names = list(values)
    together = np.isfinite(np.stack(list(values.values()))).all(axis=0)
    shown = {name: np.where(together, field, np.nan) for name, field in values.items()}
    pair = {(a, b): moments(shown[a], shown[b], draws.days) for a in names for b in names if a <= b}

    def cov(a: str, b: str) -> Floats:
        return pair[(a, b) if a <= b else (b, a)].cov

    rich = together.sum(axis=1) >= MIN_TRIPLETS
    for a, b in ((0, 1), (0, 2), (1, 2)):
        x, y = names[a], names[b]
        with np.errstate(invalid="ignore", divide="ignore"):
            r = cov(x, y)[:, 0] / np.sqrt(cov(x, x)[:, 0] * cov(y, y)[:, 0])
        rich &= r > LEAST_R
    if not rich.any():
        raise TripletError(
            "No site has a usable triplet",
            value=f"{int(together.sum(axis=1).max(initial=0))} triplets at most",
            allowed=f"{MIN_TRIPLETS} or more at one site, all three correlated above {LEAST_R}",
        )
    drawn = np.unique(draws.unit[rich]).size
    units = min(draws.blocks, drawn) if drawn > 1 else draws.blocks
    errors, correlations = {}, {}
    for number, x in enumerate(names):
        y, z = names[(number + 1) % 3], names[(number + 2) % 3]
        with np.errstate(invalid="ignore", divide="ignore"):
            signal = cov(x, y) * cov(x, z) / cov(y, z)
            scale = 1.0 if number == 0 else cov(names[0], z if y == names[0] else y) / cov(x, z if y == names[0] else y)
            error = np.sqrt(np.maximum(cov(x, x) - signal, 0.0)) * np.abs(scale)
            r = np.sqrt(np.clip(signal / cov(x, x), 0.0, 1.0))
        errors[x] = interval(_medians(error[rich], draws.sites[:, rich]), units)
        correlations[x] = interval(_medians(r[rich], draws.sites[:, rich]), units)
    return Triplet(error=errors, r=correlations, sites=int(rich.sum()))


def _medians(samples: Floats, counts: Floats) -> Floats:
    """Medians over sites of [sites, 1 + draws] where each site counts as often as it is drawn [1 + draws, sites]."""
    order = np.argsort(samples, axis=0)  # NaN stands last
    value = np.take_along_axis(samples, order, axis=0)
    count = np.take_along_axis(np.where(np.isfinite(samples), counts.T, 0.0), order, axis=0)
    reached = np.cumsum(count, axis=0)
    half = reached[-1] / 2
    low, high = (np.argmax(test, axis=0)[None] for test in (reached >= half, reached > half))
    made = (np.take_along_axis(value, low, axis=0) + np.take_along_axis(value, high, axis=0))[0] / 2
    return np.asarray(np.where(half > 0, made, np.nan))
