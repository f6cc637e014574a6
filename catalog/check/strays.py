"""Checks for stray files, staging and interrupted downloads.

Failure records, claims of runs at work, the index and cubes belong there; cubes are checked by ``catalog.check.cubes``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from catalog.check.survey import Survey
from catalog.naming import CUBES, DOWNLOAD_LOCK, REPORTS, index_prefix, is_archived_key, is_item_key, is_parent_key
from catalog.publish.claims import FOLDER as CLAIMS
from catalog.publish.claims import is_void
from catalog.publish.failures import FOLDER as FAILURES
from catalog.store.folder import STAGING, FolderStore

LINKED = "is a symbolic link to a folder, whose files are not seen; until it is gone nothing is repaired"
_BESIDE = (f"{FAILURES}/", f"{STAGING}/", f"{CUBES}/", f"{REPORTS}/")


def check_beside(survey: Survey, min_age: dt.timedelta) -> None:
    """Files without an item, from crashed publications or deleted items, and left-over staging."""
    if isinstance(survey.store, FolderStore):
        for place in survey.store.stale_staging():
            survey.note("staging", place, "was left by a crashed process", mend=True)
    named = {file for facts in [*survey.items.values(), *survey.archived.values()] for file in facts.files}
    newest = {key.rsplit("/", 1)[0]: facts.revision for key, facts in survey.items.items()}
    now = dt.datetime.now(dt.UTC)
    for key in survey.stats.keys() - named:
        if key.startswith(f"{CLAIMS}/"):
            if is_void(survey.store, key):
                survey.note("claim", key, "was left by a crashed run", mend=True)
            continue
        beside = key == DOWNLOAD_LOCK or key.startswith((*_BESIDE, index_prefix(key.split("/", 1)[0])))
        if beside or is_item_key(key) or is_parent_key(key) or is_archived_key(key):
            continue
        if isinstance(survey.store, FolderStore) and survey.store.leads_elsewhere(key):
            survey.note("layout", key, f"{LINKED}: put its folder itself here, or mount the disk here")
            continue
        if DOWNLOAD_LOCK in survey.stats:
            survey.note("orphan", key, "belongs to an interrupted download, or to an earlier revision", fault=False)
            continue
        young = not survey.store.exclusive and now - survey.stats[key].modified < min_age
        dead = _never_published(key, newest, survey)
        what = "belongs to a revision that was never published" if dead else "belongs to no item"
        what += "; a publication may be in progress" if young else "; its publication crashed" if dead else ""
        survey.note("orphan", key, what, mend=dead and not young, fault=not young)


def _never_published(key: str, newest: Mapping[str, int], survey: Survey) -> bool:
    """Whether a file is of a revision that an item beside it has never had: then it is nobody's."""
    folder, _, inside = key.rpartition("/r")
    number = inside.split("/", 1)[0]
    if folder not in newest or not number.isdecimal():
        return False
    return int(number) > newest[folder] or _skipped(folder, int(number), survey)


def _skipped(folder: str, number: int, survey: Survey) -> bool:
    """Whether a revision was passed over: one later than it was published, and it has no archived item, nor ever had.

    One that a later revision names was published: its item is lost, and its files are all that is left of it.
    """
    item, archived = f"{folder}/{folder.rsplit('/', 1)[-1]}.json", f"{folder}/r{number:03d}/item.json"
    later = survey.items[item].revision > number
    return later and archived not in survey.stats and archived not in survey.predecessors
