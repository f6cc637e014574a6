"""Packed fields read straight from their shards: what Zarr and xarray give, and damage told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, Crc32cCodec

from downscaler.stores.prior.packed import decoded
from downscaler.stores.prior.shards import Shards

SHAPE, SHARD, CHUNK, FILL = (7, 20, 26), (6, 12, 12), (3, 4, 6), 65535


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shards") / "store"
    group = zarr.open_group(path, mode="w")
    array = group.create_array(
        "rain",
        shape=SHAPE,
        shards=SHARD,
        chunks=CHUNK,
        dtype="uint16",
        fill_value=FILL,
        compressors=[BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"), Crc32cCodec()],
        dimension_names=("time", "y", "x"),
        attributes={"units": "mm", "scale_factor": 0.02, "_FillValue": FILL},
    )
    values = np.random.default_rng(1).integers(0, 5000, SHAPE).astype(np.uint16)
    values[2, 3:5, 4:9] = FILL
    values[:, 12:, :12] = FILL  # a shard that is not written
    values[:3, :4, 12:18] = FILL  # a chunk that is not
    array[:] = values
    group.create_array("plain", shape=SHAPE[1:], dtype="float32", dimension_names=("y", "x"))[:] = 1.5
    return path


def shards(store: Path) -> Shards:
    found = Shards.of(zarr.open_group(store, mode="r")["rain"], store / "rain")
    assert found is not None
    return found


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_part_is_what_zarr_reads(store: Path, data: st.DataObject) -> None:
    key = []
    for size in SHAPE:
        first = data.draw(st.integers(0, size))
        key.append(slice(first, data.draw(st.integers(first, size))))
    found = shards(store).read(key)
    np.testing.assert_array_equal(found, zarr.open_group(store, mode="r")["rain"][tuple(key)])


def test_unpacked_values_are_those_of_xarray_to_the_bit(store: Path) -> None:
    stored = xr.open_zarr(store, consolidated=False, chunks=None, decode_cf=False)
    data = decoded(stored, zarr.open_group(store, mode="r"), store)
    stored["rain"].attrs["scale_factor"] = np.float32(0.02)
    theirs = xr.decode_cf(stored)
    for part in ({"time": slice(1, 6)}, {"time": [0, 4], "y": slice(2, 19)}, {"time": 3}, {"y": 2, "x": [1, 7]}):
        ours = data["rain"].isel(part)
        np.testing.assert_array_equal(ours.values, theirs["rain"].isel(part).values)
        assert ours.values.dtype == np.float32
    assert data["rain"].attrs == {"units": "mm"}
    assert float(data["plain"].sum()) == 1.5 * 20 * 26


def test_an_array_of_another_layout_is_left_to_zarr(store: Path) -> None:
    assert Shards.of(zarr.open_group(store, mode="r")["plain"], store / "plain") is None


@pytest.mark.parametrize("place", [40, -30])  # a chunk, and the index
def test_a_damaged_shard_is_told(store: Path, tmp_path: Path, place: int) -> None:
    file = tmp_path / "c" / "0" / "0" / "0"
    file.parent.mkdir(parents=True)
    whole = bytearray((store / "rain/c/0/0/0").read_bytes())
    whole[place] ^= 255
    file.write_bytes(whole)
    damaged = Shards.of(zarr.open_group(store, mode="r")["rain"], tmp_path)
    assert damaged is not None
    with pytest.raises(OSError, match="checksum"):
        damaged.read([slice(0, 6), slice(0, 12), slice(0, 12)])
