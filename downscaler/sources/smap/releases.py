"""Which granule supersedes which, told by their files' names alone."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from downscaler.errors import GranuleNameError
from downscaler.sources.smap.names import GranuleName


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
