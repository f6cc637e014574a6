"""The check of cubes: each opens, holds the days as they are published, and is named by its collection."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence

from catalog.check.survey import Survey
from catalog.cube.layout import date_of, index_of
from catalog.items.parents import CUBE
from catalog.naming import CUBES, cube_folder
from downscaler.errors import MissingExtraError, VadoseError

_AGAIN = "remove the folder and run `vadose cube build`"


def check_cubes(survey: Survey, *, metadata_only: bool) -> None:
    """Look at every cube; without ``metadata_only`` all its chunks are read.

    A cube that merely lacks days is no fault: publishing does not wait for cubes. One that holds what was replaced or
    withdrawn is.
    """
    parts = [key.split("/") for key in survey.stats if key.startswith(f"{CUBES}/")]
    cubes = {names[1] for names in parts if len(names) > 2}
    for name in sorted(cubes):
        _check_cube(survey, name, metadata_only=metadata_only)
    for key, document in survey.parents.items():
        named = CUBE in document.get("assets", {})
        if named and document["id"] not in cubes:
            survey.note("link", key, "names a cube that does not exist", mend=True)
        elif not named and document["id"] in cubes:
            survey.note("link", key, f"does not name its cube {cube_folder(document['id'])}", mend=True, fault=False)


def _check_cube(survey: Survey, name: str, *, metadata_only: bool) -> None:
    key = cube_folder(name)
    if f"{name}/collection.json" not in survey.stats:
        survey.note("cube", key, "belongs to a collection that does not exist: remove the folder")
        return
    try:
        from catalog.cube.look import held_days, read_all

        held = held_days(survey.store.uri, name)
        _compare(survey, name, held)
        if not metadata_only:
            read_all(survey.store.uri, name)
    except MissingExtraError as error:
        survey.note("cube", key, f"was not checked: {error}", fault=False)
    except VadoseError as error:
        survey.note("cube", key, f"{error.what}: {error.value}; {_AGAIN}")


def _compare(survey: Survey, name: str, held: dict[int, int]) -> None:
    published = {
        index_of(dt.date.fromisoformat(facts.span[0][:10])): facts.digest
        for key, facts in survey.items.items()
        if key.startswith(f"{name}/") and facts.digest is not None
    }
    lacking = sorted(published.keys() - held.keys())
    gone = sorted(held.keys() - published.keys())
    other = sorted(index for index in published.keys() & held.keys() if published[index] != held[index])
    key, mend = cube_folder(name), "; repaired by `vadose cube update` or --repair"
    for days, what, fault in (
        (lacking, "lacks", False),
        (other, "holds another revision of", True),
        (gone, "holds days that are not published:", True),
    ):
        if days:
            survey.note("cube", key, f"{what} {_told(days)}{mend}", mend=True, fault=fault)


def _told(indices: Sequence[int]) -> str:
    """Days by number and the first ones."""
    first = ", ".join(str(date_of(index)) for index in itertools.islice(indices, 3))
    return f"{len(indices)} days ({first}{', ...' if len(indices) > 3 else ''})"
