"""Zarr stores of others: what leads out of the store, waits, runs code or declares what it does not hold is refused."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numcodecs import Blosc

from downscaler.errors import ComparisonError, PriorUnreadableError
from downscaler.sources import zarrs
from downscaler.sources.parflow import open_source
from downscaler.sources.refused import RefusedFileError

VERSIONS = pytest.mark.parametrize("version", [2, 3])


def _store(path: Path, version: int = 3) -> Path:
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    data = xr.Dataset({"soil_moisture": (("time", "y", "x"), values)})
    data.to_zarr(path, zarr_format=version, consolidated=version == 2)
    return path


def _block(store: Path) -> Path:
    return next(f for f in sorted((store / "soil_moisture").rglob("*")) if f.is_file() and f.name not in zarrs.METADATA)


def _change(store: Path, version: int, **terms: object) -> None:
    """Change the metadata of the array where a reader looks: consolidated ones of version 2, its own of version 3."""
    file = store / ".zmetadata" if version == 2 else store / "soil_moisture" / "zarr.json"
    told = json.loads(file.read_text())
    (told["metadata"]["soil_moisture/.zarray"] if version == 2 else told).update(terms)
    file.write_text(json.dumps(told))


@VERSIONS
def test_a_sound_store_is_read(tmp_path: Path, version: int) -> None:
    store = _store(tmp_path / "s.zarr", version)
    with zarrs.dataset(store) as data:
        assert data["soil_moisture"].values.sum() == np.arange(24).sum()


@VERSIONS
def test_a_link_out_of_the_store_is_refused(tmp_path: Path, version: int) -> None:
    store = _store(tmp_path / "s.zarr", version)
    block = _block(store)
    block.rename(tmp_path / "private")
    block.symlink_to(tmp_path / "private")
    with pytest.raises(RefusedFileError, match="a link out of the store"):
        zarrs.check(store)


def test_links_within_the_store_and_to_the_store_are_read(tmp_path: Path) -> None:
    store = _store(tmp_path / "s.zarr")
    block = _block(store)
    block.rename(store / "moved")
    block.symlink_to(store / "moved")
    (tmp_path / "elsewhere").symlink_to(store)
    with zarrs.dataset(tmp_path / "elsewhere") as data:
        assert data["soil_moisture"].values.sum() == np.arange(24).sum()


def test_a_link_that_holds_itself_is_refused(tmp_path: Path) -> None:
    store = _store(tmp_path / "s.zarr")
    (store / "again").symlink_to(store)
    with pytest.raises(RefusedFileError, match="again is a link"):
        zarrs.check(store)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    store = _store(tmp_path / "s.zarr")
    block = _block(store)
    block.unlink()
    os.mkfifo(block)
    with pytest.raises(RefusedFileError, match="not a regular file"):
        zarrs.check(store)


@VERSIONS
@pytest.mark.parametrize(
    "shape", [[400_000, 100_000, 100], [10_000_000_000], [1] * 9], ids=["hollow", "long", "dimensions"]
)
def test_an_array_far_beyond_what_is_held_is_refused(tmp_path: Path, version: int, shape: list[int]) -> None:
    store = _store(tmp_path / "s.zarr", version)
    _change(store, version, shape=shape)
    with pytest.raises(RefusedFileError, match="declares"):
        zarrs.check(store)


@VERSIONS
def test_a_block_far_beyond_what_is_held_is_refused(tmp_path: Path, version: int) -> None:
    store = _store(tmp_path / "s.zarr", version)
    lengths = [1000, 1000, 1000]
    grid = {"name": "regular", "configuration": {"chunk_shape": lengths}}
    _change(store, version, **({"chunks": lengths} if version == 2 else {"chunk_grid": grid}))
    with pytest.raises(RefusedFileError, match=r"in blocks of 4,000,000,000"):
        zarrs.check(store)


def test_of_a_shard_its_inner_blocks_count(tmp_path: Path) -> None:
    data = xr.Dataset({"a": (("y", "x"), np.zeros((64, 64), dtype=np.float64))})
    data.to_zarr(
        tmp_path / "s", encoding={"a": {"chunks": (8, 8), "shards": (64, 64)}}, zarr_format=3, consolidated=False
    )
    node = json.loads((tmp_path / "s" / "a" / "zarr.json").read_text())
    assert zarrs._block(node) == [8, 8]
    zarrs.check(tmp_path / "s")


@pytest.mark.parametrize("where", ["compressor", "filters"])
def test_values_that_are_code_are_refused(tmp_path: Path, where: str) -> None:
    store = _store(tmp_path / "s.zarr", 2)
    codec = {"id": "pickle", "protocol": 4}
    _change(store, 2, **{where: codec if where == "compressor" else [{"id": "vlen-utf8"}, codec]})
    with pytest.raises(RefusedFileError, match="can run any program"):
        zarrs.check(store)


def test_metadata_of_megabytes_are_refused(tmp_path: Path) -> None:
    store = _store(tmp_path / "s.zarr")
    with (store / "zarr.json").open("r+b") as file:
        file.truncate(zarrs.LARGEST_METADATA + 1)
    with pytest.raises(RefusedFileError, match=r"zarr\.json is of 16,777,217 bytes"):
        zarrs.check(store)


@pytest.mark.parametrize("name", ["zarr.json", "soil_moisture/zarr.json"])
def test_own_stores_do_not_wait_for_a_pipe(tmp_path: Path, name: str) -> None:
    from downscaler.errors import WeatherUnreadableError
    from downscaler.stores.prior import open_prior
    from downscaler.stores.weather import open_weather

    for kind, read, refusal in (
        ("vadose-prior", open_prior, PriorUnreadableError),
        ("vadose-weather", open_weather, WeatherUnreadableError),
    ):
        store = tmp_path / kind
        (store / "soil_moisture").mkdir(parents=True)
        (store / "zarr.json").write_text(
            json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {"kind": kind}})
        )
        (store / name).unlink(missing_ok=True)
        os.mkfifo(store / name)
        with pytest.raises(refusal):
            read(store)


def test_a_block_of_a_negative_length_is_told(tmp_path: Path) -> None:
    from downscaler.sources.gridded import product_at

    store = _located(tmp_path / "s.zarr")
    block = bytearray(_block(store).read_bytes())
    block[4:8] = (-10).to_bytes(4, "little", signed=True)  # Blosc's header: bytes when unpacked
    _block(store).write_bytes(block)
    with pytest.raises(ComparisonError, match="unpacks to 4,294,967,286 or more"):
        product_at(str(store), [dt.date(2024, 5, 1)], np.array([-98.0]), np.array([34.0]))


def _located(path: Path) -> Path:
    """A day on a map, packed by Blosc."""
    values = np.full((1, 3, 3), 0.2, dtype=np.float32)
    places = {"time": [np.datetime64("2024-05-01")], "lat": [33.0, 34.0, 35.0], "lon": [-99.0, -98.0, -97.0]}
    data = xr.Dataset({"soil_moisture": (("time", "lat", "lon"), values)}, coords=places)
    data.to_zarr(path, zarr_format=2, consolidated=True, encoding={"soil_moisture": {"compressors": Blosc()}})
    return path


def test_readers_tell_it_as_their_own_error(tmp_path: Path) -> None:
    from downscaler.sources.gridded import product_at

    store = _store(tmp_path / "s.zarr")
    block = _block(store)
    block.unlink()
    block.symlink_to("/etc/hostname")
    with pytest.raises(PriorUnreadableError, match=r"A Zarr store cannot be read: soil_moisture.* is a link out of"):
        open_source("zarr", store, None)
    with pytest.raises(ComparisonError, match=r"cannot be read: soil_moisture.* is a link out of the store"):
        product_at(str(store), [dt.date(2024, 5, 1)], np.array([-98.0]), np.array([34.0]))
