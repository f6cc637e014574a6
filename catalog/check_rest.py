"""What lies beside the items of a catalogue: files of publications that died, staging, claims of dead runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

from catalog.claims import FOLDER as CLAIMS
from catalog.claims import is_void
from catalog.failures import FOLDER as FAILURES
from catalog.folder import STAGING, FolderStore
from catalog.naming import cube_folder, index_prefix, is_archived_key, is_item_key, is_parent_key

if TYPE_CHECKING:
    from catalog.check import Survey

CUBES = cube_folder("")  # a cube keeps its own books


def check_rest(survey: Survey, min_age: dt.timedelta) -> None:
    """Files that nothing leads to: of publications that died, of items that are gone; staging and claims left over."""
    if isinstance(survey.store, FolderStore):
        for place in survey.store.stale_staging():
            survey.note("staging", place, "was left by a process that died", mend=True)
    named = {file for facts in [*survey.items.values(), *survey.archived.values()] for file in facts.files}
    newest = {key.rsplit("/", 1)[0]: facts.revision for key, facts in survey.items.items()}
    now = dt.datetime.now(dt.UTC)
    for key in survey.stats.keys() - named:
        if key.startswith(f"{CLAIMS}/"):
            if is_void(survey.store, key):
                survey.note("claim", key, "was left by a run that died", mend=True)
            continue
        beside = key.startswith((f"{FAILURES}/", CUBES, STAGING, index_prefix(key.split("/", 1)[0])))
        if beside or is_item_key(key) or is_parent_key(key) or is_archived_key(key):
            continue
        young = not survey.store.exclusive and now - survey.stats[key].modified < min_age
        dead = _never_published(key, newest, survey)
        what = "is named by no item" + ("; a publication may be in progress" if young else "")
        survey.note("orphan", key, what, mend=dead and not young, fault=not young)


def _never_published(key: str, newest: Mapping[str, int], survey: Survey) -> bool:
    """Whether a file is of a revision that an item beside it has never had: then it is nobody's."""
    folder, _, inside = key.rpartition("/r")
    number = inside.split("/", 1)[0]
    if folder not in newest or not number.isdecimal():
        return False
    return int(number) > newest[folder] or _skipped(folder, int(number), survey)


def _skipped(folder: str, number: int, survey: Survey) -> bool:
    """Whether a revision was passed over: one later than it was published, and it has no archived item."""
    item = f"{folder}/{folder.rsplit('/', 1)[-1]}.json"
    later = survey.items[item].revision > number
    return later and f"{folder}/r{number:03d}/item.json" not in survey.stats
