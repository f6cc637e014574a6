"""What must hold of a catalogue at every moment, and what two catalogues made from the same days have in common."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

DECLARED = {
    "items": ("created", "updated", "published"),
    "failures": ("time", "attempts"),
}
"""All that may differ between two runs of the same days: when an item was made, when and how often a day failed."""
COLLECTIONS = "vadose-sm-1km_*"


def item_files(root: Path) -> list[Path]:
    """The item files of days: collection / year / month / item / item.json."""
    return [file for file in root.glob(f"{COLLECTIONS}/*/*/*/*.json") if file.stem == file.parent.name]


class Watch:
    """Looks for torn items, again and again; what was whole and is unchanged is not read again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults: list[str] = []
        self._whole: set[tuple[str, int, int]] = set()
        self.looks = 0

    def look(self) -> list[str]:
        """All faults of this moment: items without whole assets, links to nothing."""
        faults = []
        for month in self.root.glob(
            f"{COLLECTIONS}/*/*/catalog.json"
        ):  # links first: an item may come after, none may be missing
            links = json.loads(month.read_bytes())["links"]
            lost = [e["href"] for e in links if e["rel"] == "item" and not (month.parent / e["href"]).is_file()]
            faults += [f"{month.relative_to(self.root)} links to {href}, which is not there" for href in lost]
        for file in item_files(self.root):
            faults += self._faults_of(file)
        self.looks += 1
        return faults

    def _faults_of(self, file: Path) -> list[str]:
        item = json.loads(file.read_bytes())
        faults = []
        for name, asset in item["assets"].items():
            path = (file.parent / asset["href"]).resolve()
            if not path.is_file():
                faults.append(f"{item['id']}: {name} is missing")
                continue
            status = path.stat()
            key = (asset["file:checksum"], status.st_ino, status.st_mtime_ns)
            if key in self._whole:
                continue
            if "1220" + hashlib.sha256(path.read_bytes()).hexdigest() == asset["file:checksum"]:
                self._whole.add(key)
            else:
                faults.append(f"{item['id']}: {name} is torn")
        return faults

    def run(self, until: threading.Event) -> None:
        """Look until told to end."""
        while not until.wait(0.02):
            with suppress(FileNotFoundError):  # a folder that went while it was listed, such as the last claim's
                self.faults += self.look()


def canonical(root: Path) -> dict[str, str]:
    """Every file of a catalogue by its SHA-256, the declared fields taken out."""
    return {
        file.relative_to(root).as_posix(): hashlib.sha256(_without_declared(root, file)).hexdigest()
        for file in sorted(root.rglob("*"))
        if file.is_file()
    }


def _without_declared(root: Path, file: Path) -> bytes:
    content = file.read_bytes()
    if file.suffix == ".parquet":  # the index: its rows are the items', its times among its columns
        table = pq.read_table(file)
        return repr(table.drop_columns([c for c in DECLARED["items"] if c in table.column_names]).to_pylist()).encode()
    if file.suffix != ".json":
        return content
    document: dict[str, Any] = json.loads(content)
    failed = file.relative_to(root).parts[0] == "failures"
    for name in DECLARED["failures" if failed else "items"]:
        (document if failed else document.get("properties", {})).pop(name, None)
    return json.dumps(document).encode()


def differences(one: Path, other: Path) -> list[str]:
    """How two catalogues differ, file by file."""
    mine, theirs = canonical(one), canonical(other)
    names = sorted(mine.keys() | theirs.keys())
    return [
        f"{name}: {'only here' if name not in theirs else 'missing' if name not in mine else 'other content'}"
        for name in names
        if mine.get(name) != theirs.get(name)
    ]
