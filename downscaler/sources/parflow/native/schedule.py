"""Which file and plane of a ParFlow run is of which UTC day, from names, headers and ``prior.toml``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from downscaler.errors import PriorSchemaError
from downscaler.sources.parflow.native.filetimes import Named, read_names

FORCING = ("precipitation", "air_temperature")
LAYERS = "layers"
_DAY = dt.timedelta(days=1)
_LONGEST = dt.timedelta(days=366 * 300)  # a step number further from the start is no step number


@dataclass(frozen=True, kw_only=True)
class Clock:
    """``[time]`` of a description: step N is of ``start + N * step``; ``planes`` "layers", a duration, or not told."""

    start: dt.datetime | None
    step: dt.timedelta | None
    planes: dt.timedelta | str | None

    def at(self, number: int, where: str, *, start: dt.datetime | None = None) -> dt.datetime:
        """Time of a step; raises PriorSchemaError without start and step, or for a number that cannot be one."""
        begin = start or self.start
        if begin is None or self.step is None:
            raise PriorSchemaError(
                f"[time] is needed to date {where}", allowed='start = "2016-10-01T00:00:00Z" and step = "1h"'
            )
        if number * self.step.total_seconds() > _LONGEST.total_seconds():
            raise PriorSchemaError(
                f"{where} holds a number that is not a step of the run",
                value=f"{number} steps of {self.step} from {begin:%Y-%m-%d}",
                allowed="a step number, or a date as 20240501, 2024-05-01 or 05012024",
            )
        return begin + number * self.step


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Planes of one file that are of one day; without ``planes`` the file is one state, its top layer last."""

    file: Path
    planes: tuple[int, ...] | None = None


Days = dict[dt.date, list[Piece]]


def schedule(
    name: str, files: Mapping[Path, int], folder: Path, clock: Clock, layered: frozenset[int]
) -> tuple[Days, list[str]]:
    """Files of one field by UTC day, and notes on how their times were understood.

    Args:
        name: field of ``prior.toml``; precipitation and air_temperature are means over a step, others are states.
        files: each file with its number of planes.
        folder: file names count from it, since a year may stand in a subfolder's name.
        clock: ``[time]``.
        layered: numbers of planes that are layers in this run.

    Raises:
        PriorSchemaError: names that tell no time, planes that may be layers or times, planes that do not fill a day.
    """
    texts = {_text(file, folder): file for file in files}
    told = read_names(list(texts), f"{name} in {folder}")
    forcing = name in FORCING
    shift, notes = _counted_from(told, forcing=forcing)
    days: Days = {}
    for text, one in told.items():
        file = texts[text]
        for day, piece in _pieces(file, one, files[file], clock, layered, forcing=forcing, shift=shift):
            days.setdefault(day, []).append(piece)
    kinds = {one.kind for one in told.values()}
    if kinds & {"date", "water year"}:
        how = ", read as month, day, year" if any(one.month_first for one in told.values()) else ""
        notes.append(f"The days of {name} are those that the file names tell{how}.")
    return days, notes + _uneven(name, days)


def _text(file: Path, folder: Path) -> str:
    at = file.with_suffix("")
    return (at.relative_to(folder) if at.is_relative_to(folder) else Path(at.name)).as_posix()


def _counted_from(told: Mapping[str, Named], *, forcing: bool) -> tuple[int, list[str]]:
    """ParFlow counts forcing from 1, the first step after the start, and states from 0, the start itself.

    Ranges of steps count from 1 too, unless one begins with 0.
    """
    ranges = [one.first for one in told.values() if one.last is not None and one.first is not None]
    if ranges:
        return int(min(ranges) > 0), [] if min(ranges) > 0 else ["Steps are counted from 0, as a file name has it."]
    numbers = [one.first for one in told.values() if one.kind == "step" and one.first is not None]
    if not forcing or not numbers or min(numbers) == 0:
        return 0, []
    return 1, ["Forcing files are counted from 1, as ParFlow counts them: number 1 is of the first step."]


def _pieces(
    file: Path, one: Named, count: int, clock: Clock, layered: frozenset[int], *, forcing: bool, shift: int
) -> Iterator[tuple[dt.date, Piece]]:
    where = file.name
    if one.last is not None:
        assert one.first is not None
        if one.last - one.first + 1 != count:
            raise PriorSchemaError(
                f"{where} does not hold the planes that its name tells",
                value=f"{count} planes",
                allowed=f"{one.last - one.first + 1}, steps {one.first} to {one.last}",
            )
        yield from _by_day(file, [clock.at(one.first - shift + n, where, start=one.moment) for n in range(count)])
        return
    if one.kind == "date":
        assert one.moment is not None
        begin = one.moment
    elif one.kind == "water year":
        begin = clock.at((one.first or 1) - 1, where, start=one.moment)
    else:
        begin = clock.at((one.first or 0) - shift, where)
    if count == 1 or (not forcing and _are_layers(file, count, clock, layered)):
        yield begin.date(), Piece(file=file)
        return
    yield from _by_day(file, [begin + n * _plane_step(one, count, clock, where) for n in range(count)])


def _by_day(file: Path, times: list[dt.datetime]) -> Iterator[tuple[dt.date, Piece]]:
    days: dict[dt.date, list[int]] = {}
    for plane, time in enumerate(times):
        days.setdefault(time.date(), []).append(plane)
    for day, planes in days.items():
        yield day, Piece(file=file, planes=tuple(planes))


def _are_layers(file: Path, count: int, clock: Clock, layered: frozenset[int]) -> bool:
    """Whether the planes of a state are layers; raises PriorSchemaError where nothing tells."""
    if isinstance(clock.planes, dt.timedelta):
        return False
    if clock.planes == LAYERS or count in layered or ".out." in file.name:
        return True
    raise PriorSchemaError(
        f"It is not clear whether the {count} planes of {file.name} are layers or times",
        value=f"{count} planes",
        allowed=f"as many as the run has layers: {', '.join(map(str, sorted(layered))) or 'not known here'}",
        remedy='Say it in prior.toml under [time]: planes = "layers", or planes = "1h" for hourly times.',
    )


def _plane_step(one: Named, count: int, clock: Clock, where: str) -> dt.timedelta:
    """Time between planes: as told, else a file is one step or one day and its planes fill it."""
    if isinstance(clock.planes, dt.timedelta):
        return clock.planes
    whole = clock.step if one.kind == "step" else _DAY
    if whole != _DAY or _DAY.total_seconds() % count or count > 1440:
        raise PriorSchemaError(
            f"It is not clear which times the {count} planes of {where} are of",
            value=f"{count} planes, a file a {whole}",
            allowed="a name with the range of its steps (000001_to_000024), or a file a day whose planes fill it",
            remedy='Say it in prior.toml under [time]: planes = "1h".',
        )
    return _DAY / count


def _uneven(name: str, days: Days) -> list[str]:
    """A note where some days have fewer states than others, since their means then stand for a part of the day."""
    counts = {day: sum(len(piece.planes or (0,)) for piece in pieces) for day, pieces in days.items()}
    most = max(counts.values(), default=0)
    short = [day for day, count in counts.items() if count < most]
    if not short:
        return []
    return [
        f"{len(short)} of {len(counts)} days of {name} have fewer than {most} steps, such as {min(short)}: their mean "
        "is of a part of the day."
    ]
