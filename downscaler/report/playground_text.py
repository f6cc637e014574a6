"""Texts of the playground's report: methods and caveats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from downscaler.playground.evaluations import EVALUATIONS
from downscaler.playground.experiment import Design
from downscaler.playground.methods import METHODS
from downscaler.playground.sampled.patches import PATCHES
from downscaler.playground.stations.layouts import cells_of_network, is_exact
from downscaler.playground.world import GAP_DAYS, World
from downscaler.product import ALGORITHM_VERSION
from downscaler.report.playground_maps import BLOCK_KM

_LAYOUTS = {
    "random": "any cells, each as likely as the other",
    "stratified": "conditioned Latin hypercube over the siting covariates (Minasny & McBratney 2006)",
    "clustered": "a few random clusters of about six stations, some kilometres across",
    "biased": "cells by the propensity of siting, see below",
    "real": "the given network, see below",
}
_LEARNS = {"stations": "learns from stations", "physics": "learns from the physics, once", "nothing": "needs no fit"}


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What a reader has to know of the prior that stands for the truth."""

    title: str
    domain: str
    period: str
    digest: str
    simulated: bool
    notes: tuple[str, ...]


def facts(truth: Truth, world: World, design: Design) -> list[tuple[str, str]]:
    """Names and values of all that the numbers rest on."""
    sensor, propensity = design.sensor, design.siting.propensity
    odds = ", ".join(f"{name.replace('_', ' ')} {value:+.2f}" for name, value in propensity.coefficients.items())
    return [
        ("truth", f"{truth.title}; {truth.period}; sha256 {truth.digest}"),
        (
            "days",
            f"{len(world.learning)} to learn from, {len(world.judged)} to be judged on, {GAP_DAYS} days apart or more",
        ),
        *_cells(world),
        (
            "coarse sensor",
            f"9 km; {100 * sensor.own:.0f} % the cell itself, the rest a Gaussian footprint of {sensor.footprint:g} "
            f"km; noise {sensor.noise:g} m³ m⁻³"
            + (
                ", two thirds of its variance smooth over 60 km; only what SMAP's AM or PM swath covers"
                if sensor.revisit
                else ""
            ),
        ),
        (
            "stations",
            f"daily readings, noise {sensor.reading_noise:g} m³ m⁻³, {100 * sensor.gaps:.0f} % of the days without one",
        ),
        *((f"layout {name}", _LAYOUTS[name]) for name in design.layouts),
        ("propensity", f"log-odds per standard deviation (forest: of being forest): {odds}; {propensity.origin}"),
        *_network(world, design),
        *((method.name.replace("_", " "), f"{method.title}; {_LEARNS[method.learns]}") for method in METHODS),
        ("evaluations", "; ".join(e.title for e in EVALUATIONS) + "; and the truth wall to wall"),
        ("seed, algorithm", f"{design.seed}, {ALGORITHM_VERSION}"),
    ]


def _cells(world: World) -> list[tuple[str, str]]:
    sample = world.sample
    if sample is None:
        return []
    judged = sum(len(cell) for cell, _ in sample.judged) // len(sample.judged)
    blocks = len(np.unique(np.floor(world.xy[sample.judged[0][0]] / BLOCK_KM), axis=0))
    return [
        (
            "cells",
            f"{sample.total:,} in the domain, of which {world.cells:,} are held: all stations of all layouts, drawn "
            f"from the whole domain, and for each replicate {judged:,} cells that it is judged on. These are whole "
            f"SMAP cells, some {blocks} of them: a systematic sample along a Hilbert curve, with probability "
            "proportional to their active cells, weighted by its inverse. Replicates have samples of their own, so "
            "that intervals hold the sampling. The hybrid learns from "
            f"at most {PATCHES} squares of 72 km, drawn likewise.",
        )
    ]


def _network(world: World, design: Design) -> list[tuple[str, str]]:
    network = design.siting.network
    if network is None:
        return []
    inside = len(cells_of_network(world, network))
    how = (
        "they stand where they stand, and replicates differ in their sensors' errors"
        if is_exact(world, network)
        else "too few to stand for it: the layout `real` is the network's point pattern carried over to the domain, "
        "its geometry real, its siting not"
    )
    return [("network", f"{network.name}: {len(network.xy)} stations, {inside} cells of the domain hold one; {how}")]


def caveats(truth: Truth, world: World, design: Design, network: str) -> list[str]:
    """What keeps the answers from being more than they are."""
    found = [
        "The physics is the truth here. Methods that learn from it everywhere learn from the very run that judges "
        "them: their skill is an upper bound, and their lead over stations would shrink by the errors of physics.",
        "Readings teach, the truth judges: noise of the reference is left out of every error.",
        "In each evaluation that holds out stations, these are judged on days that nobody has learned from, like the "
        "truth wall to wall, so that optimism is of place alone. The random split over rows is the naive one, of place "
        "and time.",
        "Replicates draw stations and sensors' errors anew, not the weather or the ground: intervals speak for this "
        "domain and record, not for others.",
        "The prior has no roads; distance to streams stands for valleys, where both are.",
    ]
    if world.sample is not None:
        found.append("The hybrid is tested at stations of the network's layout alone, since it needs whole SMAP cells.")
    if network == "biased" and design.siting.propensity.origin.startswith("given"):
        found.append(
            "No real network with enough stations lies in this domain, so the biased layout is a given propensity: it "
            "shows what such siting would do, not what a particular network does."
        )
    return [*found, *truth.notes]
