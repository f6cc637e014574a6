"""Land and coarse weather that days share, kept beside the prior; a day's weather, kept while its products are made."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import uuid
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock
from zipfile import BadZipFile

import numpy as np

import downscaler
from downscaler.ground.grid import Domain, domain_attributes
from downscaler.ground.prior import Prior
from downscaler.method.tile.land import Arrays
from downscaler.method.tile.predict import Keeping
from downscaler.product import ALGORITHM_VERSION

_LOG = logging.getLogger(__name__)
MOST_DAYS = 200  # of coarse weather that are kept, 2 MB each for the contiguous USA; an analysis draws on some 90
MOST_PASSES = 60  # of SMAP's days, 5 MB each; an analysis draws on 30


class KeptArrays:
    """Arrays by name as files of a folder, with checksums; what is missing or damaged is made again.

    Several processes may use one folder: a file is whole or not there. Where nothing can be written all is made anew.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._told = False

    def __call__(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """What is kept under a name, else what ``make`` gives."""
        kept = self.find(name)
        if kept is not None:
            return kept
        made = make()
        self.put(name, made)
        return made

    def find(self, name: str) -> Arrays | None:
        """What is kept under a name; None where nothing is, or what is damaged."""
        file = self._file(name)
        try:
            with (
                file.open("rb") as stream,
                np.load(stream, allow_pickle=False) as stored,
            ):  # checks the CRC of each array
                return {key: stored[key] for key in stored.files}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            _LOG.warning("%s is damaged and is made again: %s", file, error)
            return None

    def put(self, name: str, made: Arrays) -> None:
        """Keep arrays under a name, where that can be done."""
        self._write(self._file(name), made)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npz"

    def _write(self, file: Path, made: Arrays) -> None:
        partial = file.with_name(f".{file.stem}.{uuid.uuid4().hex[:8]}.partial.npz")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(partial, allow_pickle=False, **made)
            partial.replace(file)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            if not self._told:
                _LOG.warning("%s cannot be kept, days take longer: %s", file.parent, error.strerror or error)
                self._told = True


class KeptDays(KeptArrays):
    """The same for days that analyses share: of more than ``most`` those go that were kept first."""

    def __init__(self, folder: Path, most: int = MOST_DAYS) -> None:
        super().__init__(folder)
        self._most = most

    def put(self, name: str, made: Arrays) -> None:
        """Keep a day."""
        super().put(name, made)
        with suppress(OSError):  # another process may clear up too
            files = sorted(self.folder.glob("[!.]*.npz"), key=lambda file: file.stat().st_mtime_ns)
            for file in files[: -self._most]:
                file.unlink(missing_ok=True)


class _Scratch:
    """Arrays of one day in a temporary folder; those of another day take their place."""

    def __init__(self) -> None:
        folder = Path(mkdtemp(prefix="vadose-weather-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)  # when it is dropped, or at the end
        self._kept = KeptArrays(folder / "day")
        self._day, self._lock = "", Lock()

    def __call__(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """As ``KeptArrays``; the part of the name before its last ``/`` tells the day."""
        day, _, tile = name.rpartition("/")
        with self._lock:
            if day != self._day:
                shutil.rmtree(self._kept.folder, ignore_errors=True)
                self._day = day
        return self._kept(tile, make)


def keeping(prior: Prior, domain: Domain) -> Keeping:
    """What is kept for days of a domain: land in a hidden folder beside the prior, of this prior and version alone.

    Days that a prior gains leave its land as it is.
    """
    built = prior.attributes.get("built_digest", prior.attributes["digest"])
    made_of = [built, downscaler.__version__, ALGORITHM_VERSION]
    mine, place = (_digest(what) for what in (made_of, domain_attributes(domain)["m36_rows_columns"]))
    return _keeping(prior.path.with_name(f".{prior.path.name}.land") / f"{mine}-{place}")


@lru_cache(maxsize=2)
def _keeping(folder: Path) -> Keeping:
    if not folder.is_dir():
        for other in folder.parent.glob("*"):
            if other.name.split("-")[0] != folder.name.split("-")[0]:  # of a prior or version that is gone
                shutil.rmtree(other, ignore_errors=True)
    return Keeping(
        land=KeptArrays(folder),
        weather=_Scratch(),
        coarse=KeptDays(folder / "weather"),
        passes=KeptDays(folder / "passes", MOST_PASSES),
    )


def _digest(what: object) -> str:
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]
