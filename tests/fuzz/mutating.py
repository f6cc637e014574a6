"""Inputs made from sound ones: bytes, texts, JSON, HDF5, zip files and folders, each changed by its own structure."""

from __future__ import annotations

import json
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


def hdf5(source: Path, target: Path, chance: random.Random) -> None:
    """A copy of an HDF5 file with changed attributes, variables or bytes."""
    shutil.copyfile(source, target)
    if chance.random() < 0.4:
        target.write_bytes(raw(target.read_bytes(), chance))
        return
    import h5py

    with warnings.catch_warnings(), h5py.File(target, "r+") as file:
        warnings.simplefilter("ignore")
        names: list[str] = []
        file.visit(names.append)
        for _ in range(chance.choice([1, 1, 2, 3])):
            name = chance.choice(names)
            try:
                _change_hdf5(file, name, chance)
            except (
                KeyError,
                ValueError,
                TypeError,
                OSError,
                RuntimeError,
                OverflowError,
                AttributeError,
                UnicodeError,
            ):
                continue  # HDF5 does not take every change


_WHOLE = 100_000_000  # bytes of a variable that a change reads whole


def _change_hdf5(file: Any, name: str, chance: random.Random) -> None:
    import h5py
    import numpy as np

    what, node = chance.randrange(10), file[name]
    if what == 0:
        del file[name]
    elif what == 1:
        file.move(name, f"{name}_x")
    elif what in (2, 3, 4) and len(node.attrs):
        attribute = chance.choice(list(node.attrs))
        value = chance.choice(
            [*ODD_NUMBERS[:6], *ODD_TEXTS[:20], np.arange(3), np.float64("nan"), np.bytes_(b"\xff\xfe")]
        )
        if chance.random() < 0.2:
            del node.attrs[attribute]
        else:
            node.attrs[attribute] = value
    elif what in (5, 6) and isinstance(node, h5py.Dataset) and node.nbytes > _WHOLE:
        return  # an earlier change made it hollow
    elif what == 5 and isinstance(node, h5py.Dataset):
        content = np.asarray(node)
        del file[name]
        dtype = chance.choice(
            [content.dtype, np.dtype("S8"), np.dtype("f8"), np.dtype("i1"), np.dtype("u8"), np.dtype("f2")]
        )
        shape = chance.choice([(), (0,), (3,), content.shape[:-1], (*content.shape, 2), content.shape])
        file.create_dataset(name, shape=shape, dtype=dtype)
    elif what == 6 and isinstance(node, h5py.Dataset) and node.dtype.kind in "fiu" and node.size:
        content = np.array(node).ravel()
        at = [chance.randrange(content.size) for _ in range(50)]
        with np.errstate(all="ignore"):
            content[at] = np.array([chance.choice(ODD_NUMBERS)]).astype(content.dtype)
        node[...] = content.reshape(node.shape)
    elif what == 7:
        shape = chance.choice(
            [(10**6, 10**6), (2**40,), (10**5, 10**5, 10), (60, 5_000, 5_000), (20_000, 20_000), (19_000_000,)]
        )
        dtype = getattr(node, "dtype", np.dtype("f4"))
        del file[name]
        file.create_dataset(name, shape=shape, dtype=dtype if dtype.kind in "fiu" else "f4", chunks=True, fillvalue=0)
    elif what == 8:
        del file[name]
        file[name] = chance.choice(
            [h5py.ExternalLink("/etc/passwd", "/x"), h5py.SoftLink("/nowhere"), h5py.SoftLink("/")]
        )
    else:
        file.create_group(f"{name}_group" if isinstance(node, h5py.Dataset) else f"{name}/more")


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
    """A copy of a folder of which one file is changed, lost, doubled, or become a folder; others are hard links."""
    shutil.copytree(source, target, copy_function=lambda a, b: Path(b).hardlink_to(a))
    files = sorted(path for path in target.rglob("*") if path.is_file())
    # metadata are few among many chunks: half of the changes are theirs
    telling = [path for path in files if path.suffix in {".json", ".toml", ".csv", ".txt"}]
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
    file.write_bytes(content)
    inner(file, chance)


def by_suffix(file: Path, chance: random.Random) -> None:
    """Change a file in place by what its ending says."""
    content = file.read_bytes()
    if file.suffix == ".json":
        try:
            file.write_bytes(as_json(document(json.loads(content), chance), chance))
        except ValueError:
            file.write_bytes(raw(content, chance))
    elif file.suffix in {".toml", ".csv", ".txt", ".stm"}:
        file.write_bytes(texts(content, chance))
    else:
        file.write_bytes(raw(content, chance))
