"""Options that several commands share, each declared once, so that a name means the same wherever it stands."""

from __future__ import annotations

import datetime as dt
import functools
import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from downscaler.errors import PeriodError
from flows.day.period import parse_day, today

Period = tuple[dt.date, dt.date]


def day_option(help_text: str) -> typer.models.OptionInfo:
    """An option that takes a UTC day; anything else is a PeriodError (exit code 6)."""
    made: typer.models.OptionInfo = typer.Option(parser=parse_day, metavar="DATE", help=help_text)
    return made


def day_argument(metavar: str, help_text: str) -> typer.models.ArgumentInfo:
    """An argument that takes a UTC day; anything else is a PeriodError (exit code 6)."""
    made: typer.models.ArgumentInfo = typer.Argument(parser=parse_day, metavar=metavar, help=help_text)
    return made


def ordered(first: dt.date | None, last: dt.date | None) -> tuple[dt.date | None, dt.date | None]:
    """Two optional days as they are; raises PeriodError when the last is before the first, or all are to come."""
    if first and last and last < first:
        raise PeriodError("The period ends before it starts", value=f"{first} to {last}", allowed="START <= END")
    if first and first > today():
        raise PeriodError("The period is in the future", value=first, allowed=f"{today()} (UTC) and earlier")
    return first, last


def period(first: dt.date | None, last: dt.date | None) -> Period | None:
    """The period between two optional days, open where one is missing; None without either. Raises as ``ordered``."""
    ordered(first, last)
    return (first or dt.date.min, last or dt.date.max) if first or last else None


CatalogAddress = Annotated[
    str | None,
    typer.Argument(metavar="CATALOG", help="Catalogue: a folder, file:// or s3://bucket/prefix; unset, `catalog`."),
]
Collections = Annotated[
    list[str] | None, typer.Option("--collection", metavar="ID", help="Only this collection; may be repeated.")
]
DomainName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Preset (conus, demo, little-washita, upper-verde) or west,south,east,north in degrees."
    ),
]
Granules = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder with SMAP granules.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on standard output, instead of text and tables.")
]
ModelPath = Annotated[Path | None, typer.Option(metavar="MODEL", help="Model folder made by `vadose train`.")]
PriorPath = Annotated[Path | None, typer.Option(metavar="PRIOR", help="Prior store made by `vadose prior build`.")]
PublishTo = Annotated[
    str | None,
    typer.Option(metavar="CATALOG", help="Catalogue to publish in: a folder, file:// or s3://bucket/prefix."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Dask scheduler whose workers share the tiles: tcp://HOST:PORT, or local:N for N processes here.",
    ),
]
Seed = Annotated[int | None, typer.Option(min=0, help="Random seed; the same seed gives the same bytes.")]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a day is made from and where it is published: options of `run`, `backfill` and `status`."""

    domain: DomainName = None
    granules: Granules = None
    prior: PriorPath = None
    model: ModelPath = None
    out: PublishTo = None
    smap_product: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use only this SMAP product, such as SPL3SMP_E.")
    ] = None
    climatology: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="SMAP climatology made by `vadose climatology build`; matches SMAP to the prior's climatology.",
        ),
    ] = None
    products: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="What to make of each day: conserving, analysis, or both as conserving,analysis (the default).",
        ),
    ] = None
    weather: Annotated[
        Path | None,
        typer.Option(
            metavar="WEATHER", help="Weather store made by `vadose weather build`, for days beyond the prior's record."
        ),
    ] = None

    def settings(self) -> dict[str, object]:
        """The options as settings; a folder of granules on the command line is used, whatever the file says."""
        given = asdict(self)
        given["catalog"] = given.pop("out")
        return given | ({"smap_source": "folder"} if self.granules is not None else {})


def with_inputs(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameter ``inputs`` is spelt out as the options of :class:`Inputs` on the command line."""
    shared = list(inspect.signature(Inputs, eval_str=True).parameters.values())
    own = inspect.signature(command, eval_str=True).parameters.values()
    spelt = [new for old in own for new in (shared if old.name == "inputs" else [old])]

    @functools.wraps(command)
    def gathered(**given: Any) -> None:
        inputs = Inputs(**{option.name: given.pop(option.name) for option in shared})
        command(inputs=inputs, **given)

    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in spelt]
    gathered.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    gathered.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return gathered
