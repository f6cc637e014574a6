"""Forms that NetCDF's own library may be given: it trusts some of what a file says, and ends the process by others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import h5py
import numpy as np

_SIZES = {"i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (4, 8), "b": (1,)}  # bytes; of other numbers it makes texts
_DIMENSIONS = "DIMENSION_LIST"
_REFERENCES = "REFERENCE_LIST"
_NUMBERED = ("_Netcdf4Coordinates", "_Netcdf4Dimid")
_WORDS = ("CLASS", "NAME", "_NCProperties")


def fault(file: Any, names: Iterable[str]) -> str | None:
    """What of an open HDF5 file that library must not be given, in one clause; None where all is well.

    Of each group and variable: types of values and attributes, the attributes in which it keeps dimensions, and
    groups that hold themselves, which it would walk without end.
    """
    seen = {_place(file)}
    for name in ("/", *names):
        if isinstance(file.get(name, getlink=True) if name != "/" else None, h5py.SoftLink):
            return f"{name} is a link to another place of the file"
        node = file.get(name)
        if isinstance(node, h5py.Group) and name != "/":
            if _place(node) in seen:
                return f"{name} is a group that stands in two places"
            seen.add(_place(node))
        if isinstance(node, h5py.Dataset) and not _known(node.id.get_type()):
            return f"{name} has values of the type {_told(node)}"
        if node is not None and (told := _attribute_fault(node)):
            return f"{name}: {told}"
    return None


def _place(node: Any) -> tuple[int, ...]:
    """Where in its file an object stands."""
    info = h5py.h5o.get_info(node.id)
    return (int(info.fileno), int(info.addr))


def _told(node: Any) -> str:
    try:
        return str(node.dtype)
    except TypeError:
        return "that NumPy does not have"


def _known(kind: Any) -> bool:
    """Whether values of an HDF5 type are numbers of usual sizes or texts, or lists of these by name."""
    if isinstance(kind, h5py.h5t.TypeStringID):
        return True
    if isinstance(kind, h5py.h5t.TypeEnumID):
        return _known(kind.get_super())
    if not isinstance(kind, h5py.h5t.TypeIntegerID | h5py.h5t.TypeFloatID):
        return False
    try:
        dtype = kind.dtype
    except TypeError:
        return False
    return dtype.itemsize == kind.get_size() and dtype.itemsize in _SIZES.get(dtype.kind, ())


def _attribute_fault(node: Any) -> str | None:
    ndim = node.ndim if isinstance(node, h5py.Dataset) else 0
    for number in range(h5py.h5a.get_num_attrs(node.id)):
        attribute = h5py.h5a.open(node.id, index=number)
        name = attribute.name.decode("utf-8", "replace")
        kind = attribute.get_type()
        if name == _DIMENSIONS:
            sound = isinstance(kind, h5py.h5t.TypeVlenID) and attribute.shape == (ndim,) and _referring(node, name)
        elif name == _REFERENCES:
            sound = isinstance(kind, h5py.h5t.TypeCompoundID) and len(attribute.shape) == 1
        elif name in _NUMBERED:
            sound = attribute.dtype.kind == "i" and attribute.dtype.itemsize == 4 and _few(node, name)
        elif name in _WORDS:
            sound = isinstance(kind, h5py.h5t.TypeStringID) and attribute.shape in ((), (1,))
        else:
            sound = _known(kind)
        if not sound:
            return f"its attribute {name} has a form that NetCDF does not know"
    return None


def _referring(node: Any, name: str) -> bool:
    """Whether each entry of a list of dimensions leads to a variable of the file."""
    file = node.file
    for axis in node.attrs[name]:
        for reference in axis:
            if not isinstance(reference, h5py.Reference) or not reference:
                return False
            try:
                if not isinstance(file[reference], h5py.Dataset) or h5py.h5r.get_name(reference, file.id) is None:
                    return False
            except (ValueError, KeyError, RuntimeError):
                return False
    return True


def _few(node: Any, name: str) -> bool:
    """Whether numbers of dimensions are what a file of some dimensions has."""
    numbers = np.atleast_1d(node.attrs[name])
    return bool(numbers.size <= 32 and np.all((numbers >= 0) & (numbers < 10_000)))
