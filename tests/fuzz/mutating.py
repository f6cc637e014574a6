"""Inputs made from sound ones: texts, JSON, TIFF, Parquet, zip files, folders, each changed by its own structure."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ODD_NUMBERS = (0, -1, 1, 2**31 - 1, 2**31, 2**32, 2**63, -(2**63), 1e308, -1e308, 5e-324, float("nan"), float("inf"))
ODD_TEXTS = (
    "",
    " ",
    "\0",
    "../../../../etc/passwd",
    "/etc/passwd",
    "file:///etc/passwd",
    "s3://x/y",
    "http://127.0.0.1:1/x",
    "a" * 300,
    "9" * 5000,
    "1e999",
    "nan",
    "-0",
    "2024-02-30",
    "0000-00-00",
    "99999-01-01T00:00:00Z",
    "2024-05-01T00:00:00",
    "٢٠٢٤-٠٥-٠١",
    "%s%n{0}",
    "' OR 1=1 --",
    "\U0001f600",
    "\u202e",
)
LONE = "\udc80"


def odd_value(chance: random.Random, before: Any = None) -> Any:
    """A value that is not expected in the place of another."""
    kind = chance.randrange(9)
    if kind == 0:
        return None
    if kind == 1:
        return chance.choice([True, False])
    if kind == 2:
        return chance.choice(ODD_NUMBERS)
    if kind == 3:
        return chance.choice(ODD_TEXTS)
    if kind == 4:
        return chance.choice([[], {}, [[]], [None], {"": None}, [before], {"a": before}])
    if kind == 5 and isinstance(before, str):
        return text(before, chance)
    if kind == 6 and isinstance(before, (int, float)) and not isinstance(before, bool):
        return chance.choice([-before, before * 1000 + 1, before + 0.5, str(before)])
    if kind == 7:
        deep: Any = before
        for _ in range(chance.choice([3, 40, 150, 3000])):
            deep = [deep]
        return deep
    return [before] * chance.choice([2, 100])


def places(document: Any) -> list[tuple[Any, Any]]:
    """All (container, key) of a JSON document."""
    found, waiting = [], [document]
    while waiting:
        part = waiting.pop()
        keys = list(part) if isinstance(part, dict) else list(range(len(part))) if isinstance(part, list) else []
        for key in keys:
            found.append((part, key))
            waiting.append(part[key])
    return found


def document(value: Any, chance: random.Random) -> Any:
    """A JSON document with one to three changes."""
    made = json.loads(json.dumps(value))
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        found = places(made)
        if not found:
            return odd_value(chance, made)
        container, key = chance.choice(found)
        what = chance.randrange(6)
        if what == 0:
            del container[key]
        elif what == 1 and isinstance(container, dict):
            container[chance.choice([*ODD_TEXTS, str(key).upper(), f"{key}s"])] = container.pop(key)
        elif what == 2:
            _, other = chance.choice(found)
            source, at = chance.choice(found)
            with_safety = (
                source[at] if (isinstance(source, dict) and at in source) or isinstance(source, list) else other
            )
            container[key] = json.loads(_plain(with_safety))
        else:
            container[key] = odd_value(chance, container[key])
    return made


def _plain(value: Any) -> str:
    try:
        return json.dumps(value)[:20_000] if len(json.dumps(value)) <= 20_000 else "null"
    except (ValueError, RecursionError):
        return "null"


def as_json(value: Any, chance: random.Random) -> bytes:
    """A JSON document as bytes, now and then not quite JSON."""
    try:
        content = json.dumps(value).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        content = b"[" * 5000
    return raw(content, chance) if chance.random() < 0.15 else content


def raw(content: bytes, chance: random.Random) -> bytes:
    """Bytes with some of them changed."""
    made = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 4, 16])):
        if not made:
            return bytes(chance.randbytes(chance.randrange(64)))
        at = chance.randrange(len(made))
        chance.choice(_CHANGES)(made, at, min(chance.choice([1, 2, 4, 8, 64, 512]), len(made) - at), chance)
    return bytes(made)


def _bit(made: bytearray, at: int, _size: int, chance: random.Random) -> None:
    made[at] ^= 1 << chance.randrange(8)


def _noise(made: bytearray, at: int, size: int, chance: random.Random) -> None:
    made[at : at + size] = chance.randbytes(size)


def _loss(made: bytearray, at: int, size: int, chance: random.Random) -> None:
    del made[at : at + size if chance.random() < 0.6 else len(made)]


def _double(made: bytearray, at: int, size: int, chance: random.Random) -> None:
    made[at:at] = made[chance.randrange(len(made)) :][:size]


def _run_of_one(made: bytearray, at: int, size: int, chance: random.Random) -> None:
    marks = [b"\0", b"\xff", b"\x7f", b" ", b"\n", b",", b"{", b'"', b"\xff\xfe", b"\xef\xbb\xbf"]
    made[at : at + size] = chance.choice(marks) * size


def _whole(made: bytearray, at: int, _size: int, chance: random.Random) -> None:
    number = chance.choice([0, 1, -1, 2**31 - 1, -(2**31), 2**16, 10**9])
    made[at // 4 * 4 : at // 4 * 4 + 4] = struct.pack(chance.choice([">i", "<i"]), number)


def _real(made: bytearray, at: int, _size: int, chance: random.Random) -> None:
    number = float(chance.choice(ODD_NUMBERS))
    made[at // 8 * 8 : at // 8 * 8 + 8] = struct.pack(chance.choice([">d", "<d"]), number)


_CHANGES = (_bit, _noise, _loss, _double, _run_of_one, _whole, _real)


def text(content: str, chance: random.Random) -> str:
    """A text with changed lines, fields and numbers."""
    what = chance.randrange(8)
    lines = content.split("\n")
    at = chance.randrange(len(lines))
    if what == 0:
        del lines[at]
    elif what == 1:
        lines[at:at] = [lines[chance.randrange(len(lines))]] * chance.choice([1, 50])
    elif what == 2:
        lines[at] = re.sub(
            r"-?\d+(\.\d+)?", lambda _: str(chance.choice(ODD_NUMBERS)), lines[at], count=chance.choice([0, 1])
        )
    elif what == 3:
        parts = re.split(r"([\s,;:=]+)", lines[at])
        chance.shuffle(parts)
        lines[at] = "".join(parts)
    elif what == 4:
        parts = re.split(r"([\s,;:=]+)", lines[at])
        parts[chance.randrange(len(parts))] = chance.choice(ODD_TEXTS)
        lines[at] = "".join(parts)
    elif what == 5:
        lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
    elif what == 6:
        lines[at] = lines[at] * chance.choice([2, 200])
    else:
        lines[at] = (
            lines[at].upper() if chance.random() < 0.5 else lines[at].replace(" ", chance.choice(["\t", "", "\0"]))
        )
    return "\n".join(lines)


def texts(content: bytes, chance: random.Random) -> bytes:
    """The bytes of a text, changed as a text, or now and then as bytes."""
    if chance.random() < 0.2:
        return raw(content, chance)
    made = content.decode("utf-8", "surrogateescape")
    for _ in range(chance.choice([1, 1, 2, 5])):
        made = text(made, chance)
    return made.encode("utf-8", "surrogatepass" if LONE not in made else "surrogateescape")[:200_000]


_TAGS = (256, 257, 258, 259, 262, 277, 284, 317, 322, 323, 324, 325, 339, 33550, 33922, 34735, 42112, 42113)


def tiff(content: bytes, chance: random.Random) -> bytes:
    """A TIFF whose directories have other entries, or as bytes: half behind its directory, some anywhere."""
    made, what = bytearray(content), chance.random()
    if what < 0.2 or made[:4] != b"II*\0":
        return raw(content, chance)
    (at,) = struct.unpack_from("<I", made, 4)
    (number,) = struct.unpack_from("<H", made, at)
    if what < 0.5:
        behind = at + 2 + 12 * number + 4
        return content[:behind] + raw(content[behind:], chance)
    for _ in range(chance.choice([1, 1, 2, 4])):
        entry = at + 2 + 12 * chance.randrange(number)
        where, form = chance.choice([(0, "<H"), (2, "<H"), (4, "<I"), (8, "<I"), (8, "<I")])
        odd = [0, 1, 2, 3, 5, 7, 16, 255, 4096, 50_000, 65_535]
        odd += [*_TAGS] if where == 0 else [10**6, 2**31 - 1, 2**31, 2**32 - 1] if form == "<I" else []
        struct.pack_into(form, made, entry + where, chance.choice(odd))
    return bytes(made)


def parquet(content: bytes, chance: random.Random) -> bytes:  # noqa: C901 - a list of changes
    """A Parquet file with other columns, types or values, or as bytes."""
    if chance.random() < 0.3:
        return raw(content, chance)
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(pa.BufferReader(content)) as file:
        kept = {key: value for key, value in (file.metadata.metadata or {}).items() if key != b"ARROW:schema"}
        table = file.read().replace_schema_metadata(kept)
    for _ in range(chance.choice([1, 1, 2])):
        if not table.num_columns:
            break
        at = chance.randrange(table.num_columns)
        name, column = table.column_names[at], table.column(at)
        what, rows = chance.randrange(8), table.num_rows
        odd = [[v] * rows for v in (*ODD_NUMBERS[:5], *ODD_TEXTS, None, True, b"\xff", [], [1], {"a": 1}, 1.5)]
        if what == 0:
            table = table.remove_column(at)
        elif what == 1:
            table = table.rename_columns([chance.choice(ODD_TEXTS) if n == name else n for n in table.column_names])
        elif what == 2:
            table = table.append_column(chance.choice(["id", "more", "assets"]), column)
        elif what == 3:
            table = table.slice(0, chance.choice([0, 1]))
        elif what == 4:
            table = pa.concat_tables([table] * chance.choice([2, 50]))
        elif what == 5:
            table = table.replace_schema_metadata({b"geo": chance.choice([b"", b"{}", b"[" * 3000, b'{"columns": 1}'])})
        else:
            try:
                table = table.set_column(at, name, pa.array(chance.choice(odd)))
            except (pa.ArrowException, OverflowError, UnicodeError):
                continue
    sink = pa.BufferOutputStream()
    try:
        pq.write_table(table, sink, compression=chance.choice(["snappy", "zstd", "none"]))
    except pa.ArrowException:
        return raw(content, chance)
    return bytes(sink.getvalue())


def behind(content: bytes, header: int, chance: random.Random) -> bytes:
    """Bytes changed behind their header mostly; now and then in it."""
    if chance.random() < 0.3:
        return raw(content[:header], chance)[:header].ljust(header, b"\0") + content[header:]
    return content[:header] + raw(content[header:], chance)


def zipped(source: Path, target: Path, chance: random.Random, inner: Callable[[bytes, random.Random], bytes]) -> None:
    """A copy of a zip file with changed members, names or bytes."""
    if chance.random() < 0.3:
        target.write_bytes(raw(source.read_bytes(), chance))
        return
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        members = [(member.filename, old.read(member)) for member in old.infolist() if not member.is_dir()]
        chosen = chance.randrange(len(members))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of two members of one name
            for number, (name, content) in enumerate(members):
                made = content
                if number == chosen:
                    what = chance.randrange(6)
                    if what == 0:
                        name = chance.choice(
                            ["../../x.stm", "/etc/x.stm", f"{name}/", name.upper(), "x", f"{name}.zip"]
                        )
                    elif what == 1:
                        made = b"0" * chance.choice([0, 50_000_000])
                    elif what == 2:
                        continue
                    elif what == 3:
                        new.writestr(name, content)
                    else:
                        made = inner(content, chance)
                new.writestr(name.encode("utf-8", "replace").decode("utf-8"), made)


def folder(source: Path, target: Path, chance: random.Random, inner: Callable[[Path, random.Random], None]) -> None:
    """A copy of a folder of which one file is changed, lost, or become a folder, a link or a pipe.

    The others are hard links.
    """
    shutil.copytree(source, target, copy_function=lambda a, b: Path(b).hardlink_to(a))
    files = sorted(path for path in target.rglob("*") if path.is_file())
    # metadata are few among many chunks: half of the changes are theirs
    telling = [path for path in files if _is_json(path) or path.suffix in {".toml", ".csv", ".txt"}]
    file = chance.choice(telling if telling and chance.random() < 0.6 else files)
    what = chance.randrange(12)
    content = file.read_bytes()
    file.unlink()  # a hard link: the source stays as it is
    if what == 0:
        return
    if what == 1:
        file.mkdir()
        return
    if what == 2:
        file.write_bytes(b"")
        return
    if what == 3 and chance.random() < 0.5:
        chance.choice(
            [
                lambda: os.mkfifo(file),
                lambda: file.symlink_to("/etc/hostname"),
                lambda: file.symlink_to(target),
                lambda: file.symlink_to("/dev/zero"),
            ]
        )()
        return
    file.write_bytes(content)
    inner(file, chance)


def _is_json(file: Path) -> bool:
    """JSON by its ending, or metadata of Zarr's second version by their name."""
    return file.suffix == ".json" or file.name in {".zarray", ".zattrs", ".zgroup"}


def by_suffix(file: Path, chance: random.Random) -> None:
    """Change a file in place by what its ending says."""
    content = file.read_bytes()
    if _is_json(file):
        try:
            file.write_bytes(as_json(document(json.loads(content), chance), chance))
        except ValueError:
            file.write_bytes(raw(content, chance))
    elif file.suffix in {".toml", ".csv", ".txt", ".stm"}:
        file.write_bytes(texts(content, chance))
    else:
        file.write_bytes(raw(content, chance))
