"""HDF5 and NetCDF files changed as files: sound to their library, odd in what they hold; now and then as bytes."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import warnings
from pathlib import Path
from typing import Any

from tests.fuzz import mutating

_WHOLE = 100_000_000  # bytes of a variable that a change reads whole
_TELLING = (  # attributes that readers go by, with values that they may meet
    (
        "units",
        ["days since 2024-05-01", "hours since 0000-00-00", "K", "degC", "kg m-2 s-1", "1", "furlongs", "seconds"],
    ),
    ("calendar", ["360_day", "noleap", "julian", "none", ""]),
    ("scale_factor", [0.0, 1e300, float("nan"), -1.0, "1", [1.0, 2.0]]),
    ("add_offset", [1e300, float("inf"), -1, "0"]),
    ("_FillValue", [0.0, float("nan"), -9999, "x"]),
    ("missing_value", [0.0, [0.0, 1.0], "x", float("nan")]),
    ("valid_min", [1.0, float("nan"), "a"]),
    ("valid_range", [[1.0, 0.0], [0.0], "0 1"]),
    ("coordinates", ["lat lon", "nowhere", "", "x y time soil_moisture"]),
    ("grid_mapping", ["nowhere", "crs", "time", ""]),
    ("grid_mapping_name", ["lambert_conformal_conic", "unheard_of", "latitude_longitude"]),
    ("crs_wkt", ["", "GEOGCS[", "x" * 5000]),
    ("standard_parallel", [[1.0, 2.0, 3.0], float("nan"), 900.0]),
    ("bounds", ["time_bnds", "nowhere", "x"]),
    ("cell_methods", ["time: sum", "time: maximum", "area: mean"]),
    ("positive", ["up", "down"]),
    ("_FillValue", [1e20]),
    ("schema_version", ["0", "999", 1]),
    ("kind", ["", "vadose-prior"]),
)
_SHAPES = [(10**6, 10**6), (2**40,), (10**5, 10**5, 10), (60, 5_000, 5_000), (20_000, 20_000), (19_000_000,)]


def hdf5(source: Path, target: Path, chance: random.Random) -> None:
    """A copy of an HDF5 file with changed attributes, variables, dimensions or bytes."""
    shutil.copyfile(source, target)
    if chance.random() < 0.15:
        target.write_bytes(mutating.raw(target.read_bytes(), chance))
        return
    child = os.fork()  # HDF5's library may be ended by a change, and is not to be damaged for the reader
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            signal.alarm(5)
            warnings.simplefilter("ignore")
            _changed(target, chance)
            code = 0
        os._exit(code)
    if os.waitpid(child, 0)[1] != 0:
        target.write_bytes(mutating.raw(source.read_bytes(), chance))


def _changed(target: Path, chance: random.Random) -> None:
    import h5py

    with h5py.File(target, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        for _ in range(chance.choice([1, 1, 2, 3])):
            with contextlib.suppress(Exception):  # HDF5 does not take every change
                chance.choice(_CHANGES)(file, chance.choice(names), chance)


def _attribute(file: Any, name: str, chance: random.Random) -> None:
    """Another value of an attribute, or none."""
    import numpy as np

    node = file if chance.random() < 0.2 else file[name]
    if not len(node.attrs):
        return
    attribute = chance.choice(list(node.attrs))
    odd = [*mutating.ODD_NUMBERS[:6], *mutating.ODD_TEXTS, np.arange(3), np.float64("nan"), np.bytes_(b"\xff\xfe")]
    odd += [np.float16(1), np.array([b"a", b"bc"]), h5_empty()]
    if chance.random() < 0.2:
        del node.attrs[attribute]
    else:
        node.attrs[attribute] = chance.choice(odd)


def h5_empty() -> Any:
    """A value of no size."""
    import h5py

    return h5py.Empty("f4")


def _telling(file: Any, name: str, chance: random.Random) -> None:
    """An attribute that readers go by, of a variable or of the file."""
    node = file if chance.random() < 0.2 else file[name]
    attribute, values = chance.choice(_TELLING)
    node.attrs[attribute] = chance.choice(values)


def _gone(file: Any, name: str, chance: random.Random) -> None:
    del file[name]


def _renamed(file: Any, name: str, chance: random.Random) -> None:
    file.move(name, chance.choice([f"{name}_x", name.upper(), f"more/{name}", "lat", "time", "time_bnds"]))


def _values(file: Any, name: str, chance: random.Random) -> None:
    """Odd numbers among the values; or coordinates turned, equal, stepping oddly."""
    import numpy as np

    node = file[name]
    if node.nbytes > _WHOLE or node.dtype.kind not in "fiu" or not node.size:
        return
    content = np.array(node).ravel()
    what = chance.randrange(5)
    with np.errstate(all="ignore"):
        if what == 0:
            content = content[::-1].copy()
        elif what == 1:
            content[:] = content[0]
        elif what == 2:
            content = (content * np.array(chance.choice([-1, 0, 2, 1000]))).astype(content.dtype)
        else:
            at = [chance.randrange(content.size) for _ in range(chance.choice([1, 50]))]
            content[at] = np.array([chance.choice(mutating.ODD_NUMBERS)]).astype(content.dtype)
    node[...] = content.reshape(node.shape)


def _made_anew(file: Any, name: str, chance: random.Random) -> None:
    """Another type or shape, with the attributes of before and, where sizes agree, its dimensions."""
    import h5py
    import numpy as np

    node = file[name]
    if not isinstance(node, h5py.Dataset) or node.nbytes > _WHOLE:
        return
    content, attributes = np.asarray(node), {k: node.attrs[k] for k in node.attrs if k.isidentifier() and k.islower()}
    scales = [dimension[0] if len(dimension) else None for dimension in node.dims]
    turns = [lambda c: c, lambda c: c.T, lambda c: c[..., :-1], lambda c: c[:1], lambda c: c[None], lambda c: c.ravel()]
    turns += [lambda c: c[()].flat[0] if c.size else c, lambda c: c[:0] if c.ndim else c]
    made = np.asarray(chance.choice(turns)(content))
    types = [made.dtype, "f8", "i1", "u8", "i2", "f4", "S8", "f2", "bool", ">f4", "c8", h5py.string_dtype()]
    dtype = chance.choice(types)
    del file[name]
    with np.errstate(all="ignore"):
        made = (
            made.astype(str).astype(object) if isinstance(dtype, np.dtype) and dtype.kind == "O" else made.astype(dtype)
        )
    new = file.create_dataset(name, data=made, dtype=dtype, chunks=True if made.ndim and made.size else None)
    for key, value in attributes.items():
        new.attrs[key] = value
    for number, scale in enumerate(scales[: made.ndim]):
        if scale is not None and scale.name != new.name and scale.shape == (made.shape[number],):
            new.dims[number].attach_scale(scale)


def _hollow(file: Any, name: str, chance: random.Random) -> None:
    """A size that is declared, and nothing of it held."""
    import numpy as np

    dtype = getattr(file[name], "dtype", np.dtype("f4"))
    del file[name]
    dtype = dtype if dtype.kind in "fiu" else "f4"
    file.create_dataset(name, shape=chance.choice(_SHAPES), dtype=dtype, chunks=True, fillvalue=0)


def _linked(file: Any, name: str, chance: random.Random) -> None:
    """A link outside, to nowhere, or round in a ring."""
    import h5py

    other = chance.choice(list(file))
    what = chance.randrange(6)
    del file[name]
    links = [h5py.ExternalLink("/etc/passwd", "/x"), h5py.SoftLink("/nowhere"), h5py.SoftLink("/"), file["/"]]
    file[name] = links[what] if what < len(links) else file[other] if other in file else h5py.SoftLink(f"/{other}")


def _more(file: Any, name: str, chance: random.Random) -> None:
    """A group, or a variable more: a copy under another name, an odd one, one named as a dimension."""
    import h5py
    import numpy as np

    what = chance.randrange(4)
    if what == 0:
        file.create_group(f"{name}_group" if isinstance(file[name], h5py.Dataset) else f"{name}/more")
    elif what == 1:
        file.copy(name, chance.choice([f"{name}_2", "soil_moisture_2", "crs", "é", "a b"]))
    elif what == 2:
        file.create_dataset(chance.choice(["lat", "lon", "x", "crs", "time_bnds", "more"]), data=np.zeros((2, 2)))
    else:
        scale = file.create_dataset("odd_axis", data=np.arange(3.0))
        scale.make_scale("odd_axis")
        file[name].dims[0].attach_scale(scale)


_CHANGES = (
    *(_attribute, _attribute, _telling, _telling, _telling, _values, _values, _values, _made_anew, _made_anew),
    *(_gone, _renamed, _hollow, _linked, _more),
)
