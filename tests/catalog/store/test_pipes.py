"""What is no file in a catalogue's folder is none of its objects: a pipe is not waited for, a device not read."""

import os

import pytest

from catalog import open_store
from catalog.reading.rasters import open_raster
from downscaler.errors import CatalogError, PriorUnreadableError
from downscaler.sources.parflow import open_source


def odd(path, what):
    os.mkfifo(path) if what == "pipe" else path.symlink_to("/dev/zero")


@pytest.mark.parametrize("what", ["pipe", "device"])
def test_no_object_of_the_folder(tmp_path, what):
    store = open_store(tmp_path)
    odd(tmp_path / "catalog.json", what)
    assert store.get("catalog.json") is None
    assert store.facts("catalog.json") is None
    with pytest.raises(FileNotFoundError):
        store.reader("catalog.json")
    odd(tmp_path / "a.tif", what)
    with pytest.raises(CatalogError, match="missing"), open_raster(store, "a.tif"):
        pass


def test_a_folder_in_an_objects_place_is_told(tmp_path):
    (tmp_path / "catalog.json").mkdir()
    with pytest.raises(CatalogError):
        open_store(tmp_path).get("catalog.json")


@pytest.mark.parametrize("what", ["pipe", "device"])
def test_a_runs_description_is_a_file(tmp_path, what):
    odd(tmp_path / "prior.toml", what)
    with pytest.raises(PriorUnreadableError, match="not a regular file"):
        open_source("pfb", tmp_path, None)
