"""How much a request will bring, told before the first byte."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from downscaler.errors import ConfigError
from downscaler.sources.parflow.hydrodata.fetch import Request
from downscaler.sources.parflow.hydrodata.files import absent_path, part_path, static_path

_NUMBER = 8  # bytes: the service sends float64
_RATE = 10e6  # bytes s-1, a fair line; only for the hours that are told


@dataclass(frozen=True, kw_only=True)
class Volume:
    """What is still to come: answers of the service and bytes in them."""

    answers: int
    bytes: int

    @property
    def hours(self) -> float:
        """Time that it takes at 10 MB a second."""
        return self.bytes / _RATE / 3600

    def __str__(self) -> str:
        return f"{self.bytes / 1e9:.2f} GB in {self.answers} answers, about {self.hours:.1f} h at 10 MB/s"


def volume(request: Request, folder: Path) -> Volume:
    """What of a request is not in the folder yet; static fields are counted with all layers where they have them."""
    numbers = answers = 0
    steps = (24 if request.hourly else 1) + len(request.fields) - 1  # numbers a day and cell
    for block in request.blocks:
        cells = block.shape[0] * block.shape[1]
        if not static_path(folder, block).is_file():
            numbers += cells * len(request.run.statics) * request.run.layers
            answers += len(request.run.statics)
        for month in request.months:
            if not part_path(folder, month, block).is_file() and not absent_path(folder, month).is_file():
                numbers += cells * steps * ((month[1] - month[0]).days + 1)
                answers += len(request.fields)
    return Volume(answers=answers, bytes=numbers * _NUMBER)


def check_volume(coming: Volume, most: int | None) -> None:
    """Raise ConfigError where more is to come than ``most`` bytes; None allows everything."""
    if most is not None and coming.bytes > most:
        raise ConfigError(
            "That is a large download",
            value=coming,
            allowed=f"{most / 1e9:.0f} GB unasked",
            remedy="Give --yes to fetch it all the same, or a smaller domain or period.",
        )
