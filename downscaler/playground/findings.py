"""The three findings, answered for one domain: differences of skill between paired replicates, with 95 % intervals.

Skill is -RMSE throughout, so that **optimism** = apparent skill - true skill is by how much smaller the error appears
than it is, and the **location penalty** = true skill of random - true skill of another layout by how much larger it is
for the same number of stations; both in m3 m-3. What decides a finding is fixed here, not chosen by the outcome: an
interval above zero is a yes, one below zero a no, all else is not clear.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from downscaler.playground.evaluations import TRUE
from downscaler.playground.experiment import CURVE_LAYOUTS, PHYSICS, Record
from downscaler.skill.interval import Interval, mean_interval, replicates_needed

YES, NO, NOT_CLEAR = "yes", "no", "not clear"
USUAL = "stations_coarse"  # how downscaling is usually trained
HELD_OUT = "leave_station_out"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A paired difference in RMSE, m3 m-3, in words and with its interval over replicates.

    ``stations`` is their number where it is another than the experiment's.
    """

    words: str
    interval: Interval
    replicates: int
    stations: int | None = None

    @property
    def verdict(self) -> str:
        """Yes, no or not clear."""
        return verdict([self.interval])

    @property
    def needed(self) -> int | None:
        """Replicates whose interval would leave 0 out, were value and spread as they are; None beyond a thousand."""
        return replicates_needed(self.interval, self.replicates)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding of the paper asked of this domain: what decides it, and what stands beside it.

    ``answers`` are the sentences of yes, no and not clear; ``amount`` says what the deciding differences are.
    """

    title: str
    answers: tuple[str, str, str]
    amount: str
    question: str
    rule: str
    deciding: tuple[Difference, ...]
    beside: tuple[Difference, ...]

    @property
    def verdict(self) -> str:
        """Yes, no or not clear, by all that decides."""
        return verdict([difference.interval for difference in self.deciding])

    @property
    def answer(self) -> str:
        """The finding as a sentence without its figures."""
        return self.answers[(YES, NO, NOT_CLEAR).index(self.verdict)]

    @property
    def outlook(self) -> str:
        """How many replicates, or which other number of stations, would make or makes it clear; empty where it is."""
        if self.verdict != NOT_CLEAR or not self.deciding:
            return ""
        open_ones = [difference for difference in self.deciding if difference.verdict == NOT_CLEAR]
        needed = [difference.needed for difference in open_ones]
        known = [count for count in needed if count is not None]
        told = f"some {max(known)} replicates would tell" if len(known) == len(needed) else "1000 would not tell"
        clear = [d for d in self.beside if d.stations is not None and d.verdict != NOT_CLEAR]
        shown = "; ".join(f"with {d.stations} stations: {d.verdict}" for d in clear)
        return f"With the spread of these {open_ones[0].replicates} replicates, {told}." + (
            f" {shown[0].upper()}{shown[1:]}." if shown else ""
        )


def verdict(intervals: Sequence[Interval]) -> str:
    """Yes where every interval lies above zero, no where every one lies below, else not clear."""
    if intervals and all(interval.low > 0 for interval in intervals):
        return YES
    return NO if intervals and all(interval.high < 0 for interval in intervals) else NOT_CLEAR


def scores(records: Iterable[Record]) -> pd.DataFrame:
    """Every score: replicate, stations, method, layout, evaluation and its figures, in a fixed order."""
    rows = [
        {"replicate": record.cell.replicate, "stations": record.cell.stations, **row}
        for record in records
        for row in record.scores
    ]
    table = pd.DataFrame(rows)
    return table.sort_values(["stations", "layout", "method", "evaluation", "replicate"], ignore_index=True)


def geometries(records: Iterable[Record]) -> pd.DataFrame:
    """W (km) of the folds: replicate, layout, folds, w."""
    rows = [
        {"replicate": record.cell.replicate, "layout": record.cell.layout, "folds": name, "w": value}
        for record in records
        for name, value in record.geometry.items()
    ]
    table = pd.DataFrame(rows, columns=["replicate", "layout", "folds", "w"])
    return table.sort_values(["layout", "folds", "replicate"], ignore_index=True)


class Table:
    """All scores of an experiment, asked for by method, layout, evaluation and number of stations.

    Args:
        records: of all cells.
        stations: number of stations of the layouts that were cross-validated.
    """

    def __init__(self, records: Sequence[Record], stations: int) -> None:
        self.rows, self.stations = scores(records), stations
        self.layouts = [name for name in dict.fromkeys(r.cell.layout for r in records) if name != PHYSICS]
        keys = ["method", "layout", "evaluation", "stations"]
        self._by_key = {key: group.set_index("replicate") for key, group in self.rows.groupby(keys)}

    def series(
        self, method: str, layout: str, evaluation: str = TRUE, stations: int | None = None, figure: str = "rmse"
    ) -> pd.Series[float]:
        """A figure by replicate; true skill of what learns from no station is the same for all layouts."""
        count = stations or self.stations
        found = self._by_key.get((method, layout, evaluation, count))
        if found is None and evaluation == TRUE:
            found = self._by_key.get((method, PHYSICS, evaluation, self.stations))
        return pd.Series(dtype=float) if found is None else found[figure]

    def optimism(self, method: str, layout: str, evaluation: str) -> Interval | None:
        """True less apparent RMSE, m3 m-3; None where the evaluation could not be made in two replicates."""
        return _paired(self.series(method, layout), self.series(method, layout, evaluation))

    def penalty(self, method: str, layout: str, stations: int | None = None) -> Interval | None:
        """True RMSE of a layout less that of random stations, m3 m-3."""
        return _paired(self.series(method, layout, stations=stations), self.series(method, "random", stations=stations))

    @property
    def curve(self) -> list[int]:
        """Other numbers of stations."""
        return sorted({int(count) for count in self.rows["stations"]} - {self.stations})

    def gain(self, method: str, over: str = USUAL, layout: str = "random") -> Interval | None:
        """True RMSE of one method less that of another, m3 m-3."""
        return _paired(self.series(over, layout), self.series(method, layout))


def _paired(more: pd.Series[float], less: pd.Series[float]) -> Interval | None:
    difference = (more - less).dropna()
    return mean_interval(difference) if len(difference) >= 2 else None


def findings(table: Table, network: str) -> tuple[Finding, ...]:
    """The three findings; ``network`` is the layout that stands for real ones (``real`` or ``biased``)."""
    return _playground(table), _overfitting(table, network), _confidence(table, network)


def _difference(
    words: str, interval: Interval | None, table: Table, stations: int | None = None
) -> tuple[Difference, ...]:
    count = int(table.rows["replicate"].nunique())
    if interval is None:
        return ()
    return (Difference(words=words, interval=interval, replicates=count, stations=stations),)


def _playground(table: Table) -> Finding:
    hybrid = table.gain("physics_everywhere")
    elsewhere = table.gain("physics_elsewhere")
    n = table.stations
    return Finding(
        title="Physics simulations make a playground",
        answers=(
            f"Training on the physics everywhere beats training on {n} random stations",
            f"Training on the physics everywhere is worse than training on {n} random stations",
            f"Whether training on the physics everywhere beats training on {n} random stations is not clear",
        ),
        amount="gain of the hybrid",
        question="Does training on the physics everywhere beat training on stations, wherever these stand?",
        rule=f"True error of XGBoost on {n} random stations + coarse, less that of the methods trained on the physics: "
        "above zero for the hybrid and for trees that have not seen the ground they predict.",
        deciding=_difference("hybrid, physics everywhere", hybrid, table)
        + _difference("the same trees on physics, on ground they have not seen", elsewhere, table),
        beside=_difference("prior's pattern, untrained", table.gain("climatological_pattern"), table)
        + _difference("prior alone", table.gain("prior"), table),
    )


def _overfitting(table: Table, network: str) -> Finding:
    others = [name for name in table.layouts if name not in ("random", network)]
    methods = ("stations_only", "linear")
    n, places = table.stations, "real" if network == "real" else "biased"
    curve = table.curve if network in CURVE_LAYOUTS else []
    return Finding(
        title="Biased station locations cause spatial overfitting",
        answers=(
            f"{n} stations in {places} places are worse than as many random ones",
            f"{n} stations in {places} places are better than as many random ones",
            f"Whether {n} stations in {places} places are worse than as many random ones is not clear",
        ),
        amount="harm of the places",
        question=f"Are {table.stations} stations of the {network} layout worse than as many random ones?",
        rule=f"Location penalty of the {network} layout for XGBoost on stations + coarse: above zero.",
        deciding=_difference(f"XGBoost on stations + coarse, {network}", table.penalty(USUAL, network), table),
        beside=tuple(d for m in methods for d in _difference(f"{m}, {network}", table.penalty(m, network), table))
        + tuple(
            d
            for count in curve
            for d in _difference(
                f"{USUAL}, {network}, {count} stations", table.penalty(USUAL, network, count), table, count
            )
        )
        + tuple(d for name in others for d in _difference(f"{USUAL}, {name}", table.penalty(USUAL, name), table)),
    )


def _confidence(table: Table, network: str) -> Finding:
    others = [(USUAL, network, "random_rows"), (USUAL, network, "spatial_blocks"), (USUAL, network, "knndm")]
    others += [(USUAL, "random", HELD_OUT), ("physics_everywhere", network, HELD_OUT)]
    places = "real" if network == "real" else "biased"
    return Finding(
        title="Testing on such stations gives unwarranted confidence",
        answers=(
            f"Testing at held-out stations in {places} places promises too much",
            f"Testing at held-out stations in {places} places promises too little",
            f"Whether testing at held-out stations in {places} places promises too much is not clear",
        ),
        amount="error hidden",
        question=f"Do held-out stations of the {network} layout promise more than is true wall to wall?",
        rule="Optimism of leave-station-out for XGBoost on stations + coarse: above zero.",
        deciding=_difference(f"leave-station-out, {network}", table.optimism(USUAL, network, HELD_OUT), table),
        beside=tuple(d for of in others for d in _difference(", ".join(of), table.optimism(*of), table)),
    )
