"""Packed fields of a store as float32: what ``xarray.decode_cf`` gives, in a fraction of its time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from downscaler.stores.prior.shards import Shards

_PACKING = ("scale_factor", "_FillValue")


class Packed(BackendArray):
    """Whole numbers of a Zarr array as float32: times the scale, NaN where they are the fill."""

    def __init__(self, array: zarr.Array[Any], shards: Shards | None, scale: float, fill: int) -> None:
        self._array, self._shards, self._scale, self._fill = array, shards, np.float32(scale), fill
        self.shape, self.dtype = array.shape, np.dtype(np.float32)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """The part asked for, as xarray asks for it."""
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[np.float32]:
        stored = self._stored(key)
        values = stored.astype(np.float32)
        values *= self._scale
        missing = stored == self._fill
        if missing.any():
            values[missing] = np.nan
        return values

    def _stored(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """The numbers as they are stored."""
        if self._shards is not None and all(isinstance(each, slice) and each.step in (None, 1) for each in key):
            return self._shards.read(key)
        plain = all(isinstance(each, int | np.integer | slice) for each in key)
        return np.asarray(self._array[key] if plain else self._array.oindex[key])


def decoded(stored: xr.Dataset, group: zarr.Group, folder: Path) -> xr.Dataset:
    """A dataset as it is stored, its packed fields as ``Packed`` and all others as ``xarray.decode_cf`` gives them."""
    packed = {name: field for name, field in stored.data_vars.items() if "scale_factor" in field.attrs}
    data = xr.decode_cf(stored.drop_vars(list(packed)))
    made = {}
    for name, field in packed.items():
        array = group[str(name)]
        assert isinstance(array, zarr.Array)
        values = Packed(array, Shards.of(array, folder / str(name)), *(field.attrs[each] for each in _PACKING))
        attributes = {key: value for key, value in field.attrs.items() if key not in _PACKING}
        made[name] = xr.Variable(field.dims, indexing.LazilyIndexedArray(values), attributes)
    return data.assign(made)[list(stored.data_vars)]
