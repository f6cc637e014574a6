"""Names of SMAP soil moisture granules: parsing and succession of releases."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from downscaler.errors import GranuleNameError
from downscaler.ground.grid import M09, M36, EaseGrid

STANDARD = ("SPL3SMP_E", "SPL3SMP", "SPL2SMP_E", "SPL2SMP")
NEAR_REAL_TIME = ("SPL2SMP_NRT",)
"""Made within hours from predicted orbits and older ancillary data: a stream of its own, taken only when asked for."""

MODELLED = ("SPL4SMGP",)
"""A land surface model that assimilates SMAP, complete every three hours: no retrieval, taken only when asked for."""

PRODUCTS: dict[str, EaseGrid] = {
    "SPL3SMP_E": M09,
    "SPL3SMP": M36,
    "SPL2SMP_E": M09,
    "SPL2SMP": M36,
    "SPL2SMP_NRT": M36,
    "SPL4SMGP": M09,
}
"""Short names that vadose reads, the preferred first, each with its grid."""

HALF_ORBITS = frozenset({"SPL2SMP_E", "SPL2SMP", "SPL2SMP_NRT"})
HALF_ORBIT_LENGTH = dt.timedelta(minutes=55)
"""Longest half orbit with its overlap at both poles (98.5 min a revolution, Extent of SPL2SMP R18290: 53.4 min)."""

_PATTERN = re.compile(
    r"SMAP_L(?P<level>[23])_SM_P(?P<kind>_E|_NRT)?_"
    r"(?:(?P<orbit>\d{5})_(?P<direction>[AD])_(?P<start>\d{8}T\d{6})|(?P<day>\d{8}))_"
    r"(?P<crid>[A-Z]\d{5})_(?P<counter>\d{3})(?:[^A-Za-z0-9].*)?"
)
_LEVEL4 = re.compile(
    r"SMAP_L4_SM_gph_(?P<start>\d{8}T\d{6})_(?P<crid>V[a-z]\d{4})_(?P<counter>\d{3})(?:[^A-Za-z0-9].*)?"
)
_FORM = "SMAP_L3_SM_P[_E]_YYYYMMDD_Rccccc_nnn.h5, SMAP_L2_SM_P[_E|_NRT]_ORBIT_A|D_YYYYMMDDThhmmss_Rccccc_nnn.h5"


@dataclass(frozen=True, kw_only=True)
class GranuleName:
    """Identifies one granule of one release.

    ``crid`` is the composite release (``R19240``) and ``counter`` the production number in it; ``orbit`` and
    ``direction`` (``A`` ascending, about 18:00 local; ``D`` descending, about 06:00) belong to half orbits only,
    ``start`` (UTC) to half orbits and, as the middle of its three hours, to SPL4SMGP. Granules sort so that the one
    that supersedes comes last.

    Source: SMAP product specification documents, section "File naming".
    """

    short_name: str
    date: dt.date
    crid: str
    counter: int
    orbit: int | None = None
    direction: str | None = None
    start: dt.datetime | None = None

    @classmethod
    def parse(cls, name: str | Path) -> GranuleName:
        """Read a file's name; text after the counter (a subsetter's or browser's mark) is let through.

        Raises GranuleNameError.

        Example:
            >>> name = GranuleName.parse("SMAP_L3_SM_P_E_20240523_R19240_001.h5")
            >>> name.short_name, str(name.date), name.version
            ('SPL3SMP_E', '2024-05-23', 'R19240.001')
        """
        text = Path(name).name
        modelled = _LEVEL4.fullmatch(text)
        if modelled is not None:
            return cls(
                short_name=MODELLED[0],
                date=_moment(modelled["start"], text).date(),
                crid=modelled["crid"],
                counter=int(modelled["counter"]),
                start=_moment(modelled["start"], text),
            )
        match = _PATTERN.fullmatch(text)
        if (
            match is None
            or (match["level"] == "2") != (match["orbit"] is not None)
            or (match["kind"] == "_NRT" and match["level"] == "3")
        ):
            raise GranuleNameError("Not the name of a SMAP soil moisture granule", value=text, allowed=_FORM)
        start = _moment(match["start"] or match["day"], text)
        return cls(
            short_name=f"SPL{match['level']}SMP{match['kind'] or ''}",
            date=start.date(),
            crid=match["crid"],
            counter=int(match["counter"]),
            orbit=int(match["orbit"]) if match["orbit"] else None,
            direction=match["direction"],
            start=start if match["start"] else None,
        )

    @property
    def grid(self) -> EaseGrid:
        """The grid its product is defined on."""
        return PRODUCTS[self.short_name]

    @property
    def half_orbit(self) -> bool:
        """Whether it is one half orbit rather than a day."""
        return self.short_name in HALF_ORBITS

    @property
    def near_real_time(self) -> bool:
        """Whether it is of the near-real-time stream."""
        return self.short_name in NEAR_REAL_TIME

    @property
    def modelled(self) -> bool:
        """Whether it is a model's field rather than a retrieval."""
        return self.short_name in MODELLED

    @property
    def version(self) -> str:
        """CRID and counter in one text, ``R19240.001``."""
        return f"{self.crid}.{self.counter:03d}"

    @property
    def scene(self) -> tuple[str, str, int, str]:
        """The observed scene, independent of the release: granules of one scene supersede one another."""
        if self.half_orbit and self.orbit is not None:
            return (self.short_name, "", self.orbit, self.direction or "")
        return (self.short_name, (self.start or self.date).isoformat(), 0, self.direction or "")

    @property
    def release(self) -> tuple[bool, str, int]:
        """Rank within a scene, the greatest is current: R releases over test releases, then CRID, then counter."""
        return (self.crid.startswith("R"), self.crid, self.counter)

    def __lt__(self, other: GranuleName) -> bool:
        """Whether the other comes later: by scene, then by release."""
        return (self.scene, self.release) < (other.scene, other.release)

    def covers(self, date: dt.date) -> bool:
        """Whether it may hold observations of a UTC day; a half orbit that began before midnight reaches into it."""
        if self.start is None or self.modelled:
            return self.date == date
        return self.date == date or (self.start + HALF_ORBIT_LENGTH).date() == date


def _moment(text: str, name: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
    except ValueError:
        raise GranuleNameError("The granule's name contains no valid date", value=name, allowed=_FORM) from None


def rank_of(file: str) -> int | None:
    """How good a file's stream is: 2 SMAP's standard retrievals, 1 near real time, 0 a model; None for other files.

    A day made from a better stream is never made anew from a lesser one.
    """
    try:
        name = GranuleName.parse(file)
    except GranuleNameError:
        return None
    return 0 if name.modelled else 1 if name.near_real_time else 2


def is_near_real_time(file: str) -> bool | None:
    """Whether a file is a granule of the near-real-time stream; None when it is no granule by its name."""
    try:
        return GranuleName.parse(file).near_real_time
    except GranuleNameError:
        return None


def newer_release(published: Iterable[str], offered: Iterable[str]) -> str | None:
    """A published granule's file name that is a newer release of an offered one's scene, if any."""
    standing = {}
    for file in published:
        with suppress(GranuleNameError):  # other inputs, and granules under names of their own
            name = GranuleName.parse(file)
            standing[name.scene] = (name.release, file)
    for file in offered:
        with suppress(GranuleNameError):
            name = GranuleName.parse(file)
            release, newer = standing.get(name.scene, (name.release, file))
            if release > name.release:
                return newer
    return None
