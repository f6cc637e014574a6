"""What a block of a Zarr store unpacks to is known before: as declared, or bounded by its own structure."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from numcodecs import BZ2, LZ4, LZMA, Blosc, GZip, Zlib, Zstd

from downscaler.sources import zarr_codecs, zarrs
from downscaler.sources.refused import RefusedFileError

CODECS = [Zstd(), Blosc(), LZ4(), GZip(), Zlib(), BZ2(), LZMA()]
named = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.codec_id)


def zstd_of_one_byte(blocks: int, *, declared: bool) -> bytes:
    """A frame of Zstandard that repeats one byte, written by hand: four bytes for each 128 KiB (RFC 8878)."""
    size = (blocks << 17).to_bytes(8, "little")
    head = (0xFD2FB528).to_bytes(4, "little") + (b"\xe0" + size if declared else b"\x00\x50")
    each = [
        ((1 << 17) << 3 | 1 << 1 | (number == blocks - 1)).to_bytes(3, "little") + b"\x07" for number in range(blocks)
    ]
    return head + b"".join(each)


def deflated(form: int) -> bytes:
    """40 MB of zeros; ``form`` is zlib's wbits."""
    packing = zlib.compressobj(9, zlib.DEFLATED, form)
    return packing.compress(bytes(40_000_000)) + packing.flush()


@named
@given(values=st.binary(max_size=300), repeated=st.integers(1, 2_000))
def test_the_bound_is_never_below_what_a_block_unpacks_to(codec, values, repeated):
    if not values and codec.codec_id in ("blosc", "lz4"):
        return  # neither packs nothing
    whole = values * repeated
    size = zarr_codecs.SIZES[type(codec)](memoryview(codec.encode(whole)))
    assert size >= len(whole)
    if codec.codec_id not in ("gzip", "zlib"):  # of short ones no more is known than that they are short
        assert size == len(whole)


@pytest.mark.parametrize("declared", [True, False])
def test_zstandard_by_hand_is_what_numcodecs_unpacks(declared):
    block = zstd_of_one_byte(3, declared=declared)
    assert zarr_codecs.zstd_size(memoryview(block)) == 3 << 17
    assert bytes(Zstd().decode(block)) == b"\x07" * (3 << 17)


def test_members_and_skipped_frames_are_counted():
    skipped = (0x184D2A53).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"vados"
    assert zarr_codecs.zstd_size(memoryview(skipped + zstd_of_one_byte(2, declared=False) * 2)) == 4 << 17
    assert zarr_codecs.SIZES[BZ2](memoryview(BZ2().encode(b"ab") + BZ2().encode(b"c"))) == 3


@pytest.mark.parametrize(
    ("codec", "block"),
    [
        (Zstd, zstd_of_one_byte(300, declared=True)),
        (Zstd, zstd_of_one_byte(300, declared=False)),
        (Blosc, b"\x02\x01\x01\x01" + (0x7FFFFFEF).to_bytes(4, "little") + bytes(4) + b"\x10\0\0\0"),
        (LZ4, (0x7FFFFFEF).to_bytes(4, "little") + bytes(8)),
        (GZip, deflated(31)),
        (Zlib, deflated(15)),
        (BZ2, BZ2().encode(bytes(40_000_000))),
        (LZMA, LZMA().encode(bytes(40_000_000))),
    ],
)
def test_a_block_of_more_than_is_allowed_is_refused(monkeypatch, codec, block):
    monkeypatch.setattr(zarr_codecs, "LARGEST_BLOCK", 1 << 25)
    with pytest.raises(RefusedFileError, match=r"bytes unpacks to [\d,]{10,} or more; at most 33,554,432 are read"):
        zarr_codecs.require_bounded(codec, block)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("cut", [0, 1, 7])
def test_a_cut_block_is_the_codecs_affair(tmp_path: Path, version: int, cut: int):
    store = _store(tmp_path / "s.zarr", version)
    block = _block(store)
    block.write_bytes(block.read_bytes()[: cut or None])
    with zarrs.dataset(store) as data:
        if cut == 0:  # the whole block
            assert data["soil_moisture"].values.sum() == np.arange(24).sum()
            return
        with pytest.raises((RuntimeError, ValueError, RefusedFileError)):
            data["soil_moisture"].load()


@pytest.mark.parametrize("version", [2, 3])
def test_a_store_with_such_a_block_is_refused_by_its_reader(tmp_path: Path, version: int):
    store = _store(tmp_path / "s.zarr", version)
    bomb = {
        2: b"\x02\x01\x01\x01" + (0x7FFFFFEF).to_bytes(4, "little") + bytes(4) + b"\x10\0\0\0",
        3: zstd_of_one_byte(8200, declared=False),
    }
    _block(store).write_bytes(bomb[version])
    most = {2: "67,108,864", 3: "1,073,741,824"}[version]
    with zarrs.dataset(store) as data, pytest.raises(RefusedFileError, match=f"at most {most} are read"):
        data["soil_moisture"].load()


def _store(path: Path, version: int) -> Path:
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    xr.Dataset({"soil_moisture": (("time", "y", "x"), values)}).to_zarr(path, zarr_format=version, consolidated=False)
    return path


def _block(store: Path) -> Path:
    return next(f for f in sorted((store / "soil_moisture").rglob("*")) if f.is_file() and f.name not in zarrs.METADATA)


@pytest.mark.parametrize("length", [17, 1 << 20, (1 << 32) - 1])
def test_blosc_is_not_believed_that_a_block_is_longer_than_it_is(length: int):
    """It read beyond the block, which ended the process with SIGSEGV."""
    block = bytearray(Blosc().encode(bytes(64)))
    block[12:16] = min(len(block) + length, (1 << 32) - 1).to_bytes(4, "little")
    with pytest.raises(RefusedFileError, match="is cut short or damaged"):
        zarr_codecs.require_bounded(Blosc, bytes(block))
    with pytest.raises(RefusedFileError, match="is cut short or damaged"):
        zarr_codecs.require_bounded(Blosc, bytes(block[:15]))
