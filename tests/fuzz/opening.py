"""Whether a changed input comes past its header: what the format's own reader makes of its outermost form."""

from __future__ import annotations

import json
import os
import signal
import struct
import tomllib
import zipfile
from pathlib import Path


def hdf5(path: Path) -> None:
    """The file opens and its tree can be walked; in a fork, since it may leave HDF5's library damaged."""
    import h5py

    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(5)
            with h5py.File(path, "r") as file:
                file.visititems_links(lambda _name, _link: None)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def pfb(path: Path) -> None:
    """The header's size is that of the bytes."""
    nx, ny, nz = struct.unpack_from(">24x3i", content := path.read_bytes())
    assert min(nx, ny, nz) >= 1
    assert nx * ny * nz * 8 < len(content)


def tiff(path: Path) -> None:
    """GDAL opens it."""
    import rasterio

    with rasterio.open(path, driver="GTiff"):
        pass


def text_or_zip(path: Path) -> None:
    """A zip file with its list of members, or a text."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist()
    else:
        path.read_text(encoding="utf-8")


def parquet(path: Path) -> None:
    """Its footer can be read."""
    import pyarrow.parquet as pq

    pq.ParquetFile(path).close()


def layer(path: Path) -> None:
    """JSON, a Parquet footer or an SQLite header."""
    if path.suffix == ".parquet":
        parquet(path)
    elif path.suffix == ".gpkg":
        assert path.read_bytes()[:16] == b"SQLite format 3\0"
    else:
        json.loads(path.read_bytes())


def toml(path: Path) -> None:
    """TOML."""
    tomllib.loads(path.read_text(encoding="utf-8"))


def document(path: Path) -> None:
    """JSON."""
    json.loads(path.read_bytes())


def text(path: Path) -> None:
    """UTF-8."""
    path.read_text(encoding="utf-8")


def model(path: Path) -> None:
    """Its manifest is JSON of a model."""
    assert (path / "model.json").is_file()  # a pipe would be waited for
    assert json.loads((path / "model.json").read_bytes())["branches"]


def folder(path: Path) -> None:
    """All its JSON and TOML can be parsed."""
    for read, ending in ((document, "*.json"), (toml, "*.toml")):
        for file in path.rglob(ending):
            assert file.is_file()  # a pipe would be waited for
            read(file)


def anything(path: Path) -> None:
    """What the file's ending promises."""
    kinds = {".h5": hdf5, ".nc": hdf5, ".pfb": pfb, ".zip": text_or_zip, ".toml": toml, ".json": document}
    kinds.get(path.suffix, text)(path)
