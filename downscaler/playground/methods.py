"""The methods that a playground compares, in the order that they are shown; to add one, add its class here."""

from __future__ import annotations

from downscaler.errors import ConfigError
from downscaler.playground.baselines import Bilinear, ClimatologicalPattern, Nearest, PriorAlone
from downscaler.playground.learners import Linear, StationsCoarse, StationsOnly
from downscaler.playground.method import Learns, Method
from downscaler.playground.physics import PhysicsElsewhere, PhysicsEverywhere

METHODS: tuple[type[Method], ...] = (
    StationsOnly,
    StationsCoarse,
    Linear,
    PhysicsEverywhere,
    PhysicsElsewhere,
    ClimatologicalPattern,
    PriorAlone,
    Bilinear,
    Nearest,
)


def learning_from(*what: Learns) -> tuple[type[Method], ...]:
    """The methods that learn so."""
    return tuple(method for method in METHODS if method.learns in what)


def title_of(name: str) -> str:
    """A method's name in figures; raises ConfigError for another name."""
    titles = {method.name: method.title for method in METHODS}
    if name not in titles:
        raise ConfigError("Unknown method", value=name, allowed=titles)
    return titles[name]
