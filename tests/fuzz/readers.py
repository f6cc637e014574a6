"""Every reader of what others may have made: how its inputs are changed, and how they are read as production does."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from downscaler.errors import BROKEN, ModelUnreadableError
from tests.fuzz import hdf5s, mutating, opening
from tests.fuzz.children import Subject

PERIOD = (dt.date(2015, 1, 1), dt.date(2024, 12, 31))


_HEADER = 3_000  # bytes
Read = Callable[[Path, Any], None]
Change = Callable[[bytes, random.Random], bytes]


def subjects(seeds: Path) -> dict[str, Subject]:
    """All readers by name."""
    from tests.fuzz.service import service_subjects

    made = [*_inputs(seeds), *_stores(seeds), *_catalogue(seeds), *service_subjects(seeds)]
    return {subject.name: subject for subject in made}


def _copy_of(seed: Path, change: Change) -> Callable[[Path, random.Random], Path]:
    def make(folder: Path, chance: random.Random) -> Path:
        path = folder / seed.name
        path.write_bytes(change(seed.read_bytes(), chance))
        return path

    return make


def _hdf5_of(seed: Path) -> Callable[[Path, random.Random], Path]:
    def make(folder: Path, chance: random.Random) -> Path:
        hdf5s.hdf5(seed, folder / seed.name, chance)
        return folder / seed.name

    return make


def _folder_of(seed: Path, inner: Callable[[Path, random.Random], None]) -> Callable[[Path, random.Random], Path]:
    def make(folder: Path, chance: random.Random) -> Path:
        mutating.folder(seed, folder / seed.name, chance, inner)
        return folder / seed.name

    return make


def _file(name: str, seed: Path, change: Change, read: Read, opens: Callable[[Path], object], **more: Any) -> Subject:
    """A reader of one file, whose bytes are changed."""
    return Subject(name=name, make=_copy_of(seed, change), read=read, sound=seed, opens=opens, **more)


def _hdf5_file(name: str, seed: Path, read: Read, **more: Any) -> Subject:
    """A reader of one HDF5 or NetCDF file."""
    return Subject(name=name, make=_hdf5_of(seed), read=read, sound=seed, opens=opening.hdf5, **more)


def _inputs(seeds: Path) -> Iterator[Subject]:
    """What archives and people deliver."""
    for granule in sorted(seeds.glob("*.h5"))[:1]:
        yield _hdf5_file("granule", granule, _granule)
    if (seeds / "daily.nc").exists():
        yield _hdf5_file("netcdf", seeds / "daily.nc", _netcdf(seeds), cost=2)
        yield _hdf5_file("gridded", seeds / "daily.nc", _product_of("::soil_moisture"))
        yield _hdf5_file("forcing", seeds / "daily.nc", _forcing)
    if (seeds / "daily.zarr").exists():
        stores = (seeds / "daily.zarr", seeds / "second.zarr")
        yield _folder("store", stores[0], _store(seeds), others=stores[1:], cost=2)
    if (seeds / "classic.nc").exists():
        yield _file("classic", seeds / "classic.nc", _headed, _netcdf(seeds), _cdf, cost=2)
    pfb = seeds / "run" / "porosity.pfb"
    yield _file("pfb", pfb, lambda content, chance: mutating.behind(content, 64, chance), _pfb, opening.pfb)
    run = seeds / "run"
    yield Subject(
        name="run", make=_folder_of(run, mutating.by_suffix), read=_run, sound=run, opens=opening.folder, cost=2
    )
    yield Subject(name="geotiff", make=_tif(seeds), read=_product, opens=opening.tiff)
    yield Subject(name="stations", make=_stations(seeds / "stations"), read=_read_stations, opens=opening.text_or_zip)
    yield Subject(name="layers", make=_stations(seeds / "layers"), read=_layer, opens=opening.layer)
    yield Subject(name="settings", make=_settings, read=_read_settings, opens=opening.toml)
    yield Subject(name="info", make=_anything(seeds), read=_info, sound=pfb, opens=opening.anything, cost=2)


def _headed(content: bytes, chance: random.Random) -> bytes:
    """NetCDF of the classic forms, changed in its header mostly."""
    if chance.random() < 0.3:
        return mutating.raw(content, chance)
    return mutating.raw(content[:_HEADER], chance) + content[_HEADER:]


def _cdf(path: Path) -> None:
    """It begins as NetCDF of the classic forms does."""
    with path.open("rb") as file:
        assert file.read(4) in (b"CDF\x01", b"CDF\x02")


def _granule(path: Path, _: Any) -> None:
    from downscaler.sources.smap.day import read_smap
    from tests.conftest import small_domain

    read_smap([path], small_domain())


def _store(seeds: Path) -> Callable[[Path, Any], None]:
    """A run as Zarr, read as a prior's source and as a product to compare with."""

    def read(path: Path, made: Any) -> None:
        from downscaler.errors import VadoseError
        from downscaler.sources.parflow import open_source

        refusal: VadoseError | None = None
        try:
            _read_source(open_source("zarr", path, seeds / "static.nc"))
        except VadoseError as error:
            refusal = error
        _product_of("::soil_moisture")(path, made)
        if refusal is not None:
            raise refusal

    return read


def _netcdf(seeds: Path) -> Callable[[Path, Any], None]:
    def read(path: Path, _: Any) -> None:
        from downscaler.sources.parflow import open_source

        _read_source(open_source("netcdf", path, seeds / "static.nc"))

    return read


def _read_source(source: Any) -> None:
    """What building a prior asks of a source: its days and statics over a window."""
    from downscaler.ground.grid import Span
    from downscaler.ground.lattice import IJWindow

    try:
        shape = source.lattice.shape
        window = IJWindow(j=Span(start=0, stop=min(5, shape.y)), i=Span(start=0, stop=min(5, shape.x)))
        assert source.info
        for name in source.daily:
            source.read_days(name, slice(0, len(source.days)), window)
        for name in source.statics:
            source.read_static(name, window)
    finally:
        source.close()


def _forcing(path: Path, _: Any) -> None:
    """Weather of a NetCDF file on its own grid."""
    from downscaler.ground.grid import Span
    from downscaler.ground.lattice import IJWindow
    from downscaler.sources.weather import open_weather_source

    weather = open_weather_source("netcdf", path)
    try:
        shape = weather.lattice.shape
        window = IJWindow(j=Span(start=0, stop=min(5, shape.y)), i=Span(start=0, stop=min(5, shape.x)))
        for day in weather.days[:2]:
            weather.read(day, window)
    finally:
        weather.close()


def _layer(path: Path, _: Any) -> None:
    from downscaler.sources.zones import read_layer

    read_layer(path)


def _pfb(path: Path, _: Any) -> None:
    from downscaler.sources.parflow.pfb import describe, read_layers

    read_layers(path)
    describe(path)


def _run(path: Path, _: Any) -> None:
    from downscaler.sources.parflow import describe_folder, open_source

    describe_folder(path)
    _read_source(open_source("pfb", path))


def _tif(seeds: Path) -> Callable[[Path, random.Random], Path]:
    source = next((seeds / "catalog").rglob("r002/soil_moisture.tif"), None) or next(
        (seeds / "catalog").rglob("*soil_moisture*.tif")
    )

    def make(folder: Path, chance: random.Random) -> Path:
        path = folder / f"x_{chance.choice(['20150401', '20150402', '2015'])}.tif"
        path.write_bytes(mutating.tiff(source.read_bytes(), chance))
        return path

    return make


def _product(path: Path, _: Any, variable: str = "") -> None:
    from downscaler.sources.gridded import product_at

    days = [dt.date(2015, 4, 1), dt.date(2015, 4, 2), dt.date(2024, 1, 22)]
    product_at(f"{path}{variable}", days, np.array([-98.0, -94.5]), np.array([34.8, 34.5]))


def _product_of(variable: str) -> Callable[[Path, Any], None]:
    return lambda path, made: _product(path, made, variable)


def _stations(folder: Path) -> Callable[[Path, random.Random], Path]:
    files = sorted(folder.iterdir())

    def make(into: Path, chance: random.Random) -> Path:
        seed = chance.choice(files)
        if seed.suffix == ".zip":
            mutating.zipped(seed, into / seed.name, chance, mutating.texts)
        elif seed.suffix == ".parquet":
            (into / seed.name).write_bytes(mutating.parquet(seed.read_bytes(), chance))
        elif seed.suffix == ".gpkg":
            (into / seed.name).write_bytes(mutating.behind(seed.read_bytes(), 100, chance))
        elif seed.suffix == ".geojson":
            changed = mutating.document(json.loads(seed.read_bytes()), chance)
            (into / seed.name).write_bytes(mutating.as_json(changed, chance))
        else:
            (into / seed.name).write_bytes(mutating.texts(seed.read_bytes(), chance))
        return into / seed.name

    return make


def _read_stations(path: Path, _: Any) -> None:
    from downscaler.ground.grid import Domain
    from downscaler.sources.insitu import describe, read_stations

    wide = Domain.from_bounds("wide", "The South", west=-110.0, south=28.0, east=-80.0, north=45.0)
    list(read_stations(path, domain=wide, period=PERIOD, deepest=1.0))
    describe(path)


SETTINGS = """
domain = "demo"
prior = "build/prior"
model = "build/model"
smap_product = "SPL3SMP_E"
smap_version = "006"
smap_latency = 50.5
near_real_time = false
cache_limit = 20
matching = "cdf"
products = "conserving,analysis"
stations = ["scan", "ismn.zip"]
validation_days = 300
workers = 2
catalog = "s3://bucket/prefix"
catalog_url = "https://x.example/y"
seed = 3
"""


def _settings(folder: Path, chance: random.Random) -> Path:
    path = folder / "vadose.toml"
    path.write_bytes(mutating.texts(SETTINGS.encode(), chance))
    return path


def _read_settings(path: Path, _: Any) -> None:
    from flows.day.jobs import job_of
    from flows.settings import Settings, load_settings

    job_of(load_settings(path))
    chance = random.Random(path.read_bytes())
    variable = f"VADOSE_{chance.choice(list(Settings.model_fields)).upper()}"
    value = chance.choice([text for text in mutating.ODD_TEXTS if "\0" not in text])
    value = value.encode("utf-8", "replace").decode()
    os.environ[variable] = value
    try:
        load_settings(path)
    finally:
        del os.environ[variable]


def _anything(seeds: Path) -> Callable[[Path, random.Random], Path]:
    files = [*seeds.glob("*.*"), *(seeds / "stations").iterdir(), *(seeds / "run").iterdir()]
    files = sorted(path for path in files if path.is_file() and path.stat().st_size < 3_000_000)

    def make(folder: Path, chance: random.Random) -> Path:
        seed = chance.choice(files)
        name = chance.choice([seed.name, *(f"x{other.suffix}" for other in files), "x"])
        change = mutating.texts if seed.suffix in {".csv", ".txt", ".toml"} else mutating.raw
        (folder / name).write_bytes(change(seed.read_bytes(), chance))
        return folder / name

    return make


def _info(path: Path, _: Any) -> None:
    from flows.commands.data.info import describe

    describe(path)


def _stores(seeds: Path) -> Iterator[Subject]:
    """What vadose itself keeps, and others may hand on."""
    yield _folder("weather", seeds / "weather", _weather)
    if not (seeds / "chain").exists():
        return
    yield _folder("zarr", seeds / "chain" / "prior", _prior, cost=4)
    yield _hdf5_file("climatology", seeds / "climatology.nc", _climatology)
    model = seeds / "chain" / "model"
    yield Subject(name="model", make=_model(model), read=_load_model, sound=model, opens=opening.model, cost=4)


def _folder(name: str, seed: Path, read: Read, others: Sequence[Path] = (), **more: Any) -> Subject:
    """A reader of a folder of which one file is changed; ``others`` are folders of other forms that it reads too."""
    changes = [_folder_of(one, mutating.by_suffix) for one in (seed, *others)]

    def make(folder: Path, chance: random.Random) -> Path:
        return (chance.choice(changes) if others else changes[0])(folder, chance)

    return Subject(name=name, make=make, read=read, sound=seed, opens=opening.folder, **more)


def _prior(path: Path, _: Any) -> None:
    from downscaler.ground.grid import Span, Window
    from downscaler.stores.prior import describe, open_prior

    prior = open_prior(path)
    describe(path)
    shape = prior.domain.shape()
    corner = Window(rows=Span(start=0, stop=min(36, shape.y)), columns=Span(start=0, stop=min(36, shape.x)))
    with prior.reading(corner):
        prior.window(prior.domain, corner).load()


def _weather(path: Path, _: Any) -> None:
    from downscaler.stores.weather import describe, open_weather

    open_weather(path).damaged()
    describe(path)


def _climatology(path: Path, _: Any) -> None:
    from downscaler.stores.climatology import describe, load_statistics, statistics_record

    load_statistics(path)
    describe(path)
    statistics_record(path)


def _model(seed: Path) -> Callable[[Path, random.Random], Path]:
    """A model whose changed files are listed with their new checksums: the trees are to be read, not refused."""

    def make(folder: Path, chance: random.Random) -> Path:
        path = folder / "model"
        mutating.folder(seed, path, chance, mutating.by_suffix)
        if chance.random() < 0.8 and all(file.is_file() for file in path.iterdir()):  # a pipe would be waited for
            with contextlib.suppress(*BROKEN):
                manifest = json.loads((path / "model.json").read_bytes())
                for branch in manifest["branches"]:
                    for stored in branch["files"].values():
                        content = (path / stored["file"]).read_bytes()
                        stored |= {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
                told = json.dumps(manifest)
                (path / "model.json").unlink()  # a hard link
                (path / "model.json").write_text(told)
        return path

    return make


def _load_model(path: Path, _: Any) -> None:
    """As ``load_model``, whose guarded child is a fork of this process here: one of its own takes two seconds."""
    from downscaler.stores import trial
    from downscaler.stores.model import describe, model_record, read_model

    describe(path)
    model_record(path)
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            for branch in read_model(path).branches.values():
                trial.try_branch(branch)
            code = 0
        os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise ModelUnreadableError("The guarded child refused it, or was ended by it", value=status)
    read_model(path)


def _catalogue(seeds: Path) -> Iterator[Subject]:
    """What lies in a catalogue of our own or of others."""
    catalog, index = seeds / "catalog", next((seeds / "catalog").rglob("*.parquet"))
    yield Subject(name="claims", make=_claim(catalog), read=_claims, opens=opening.folder)
    yield _folder("catalog", catalog, _catalog, cost=8)
    yield _folder("downloads", catalog, _download, cost=4)
    yield _file("index", index, mutating.parquet, _index, opening.parquet)


def _claim(seed: Path) -> Callable[[Path, random.Random], Path]:
    file = next((seed / "claims").rglob("*.json"))

    def make(folder: Path, chance: random.Random) -> Path:
        names = ["20150401.json"] * 6 + ["99999999.json", "2015-04-01.json", "x", "٢٠١٥٠٤٠١.json", "20150401.JSON"]
        path = folder / "catalog" / "claims" / file.parent.name / chance.choice(names)
        path.parent.mkdir(parents=True)
        path.write_bytes(mutating.as_json(mutating.document(json.loads(file.read_bytes()), chance), chance))
        if chance.random() < 0.1:
            path.unlink()
            path.mkdir()
        return folder / "catalog"

    return make


def _claims(path: Path, _: Any) -> None:
    from catalog.publish.claims import claimed, left, sweep
    from catalog.store.base import open_store
    from downscaler import product

    left(open_store(path), product.LITTLE_WASHITA)
    sweep(path, product.LITTLE_WASHITA)
    with claimed(path, product.LITTLE_WASHITA, dt.date(2015, 4, 1), patience=0):
        pass


def _catalog(path: Path, _: Any) -> None:
    from catalog.check.check import check
    from catalog.reading.days import items, validate_catalog
    from catalog.reading.open import open_catalog
    from downscaler.errors import VadoseError

    check(path)
    for look in (lambda: list(items(path)), lambda: validate_catalog(path)):
        with contextlib.suppress(VadoseError):
            look()
    opened = open_catalog(path)
    opened.open(dt.date(2015, 4, 2))


def _download(path: Path, _: Any) -> None:
    from catalog.download.download import download
    from catalog.download.query import Query

    out = path.with_name("out")
    try:
        download(str(path), out, Query(), assets=["upper"], workers=1)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _index(path: Path, _: Any) -> None:
    from catalog.items.index import decode

    decode(path.read_bytes(), path.name)
