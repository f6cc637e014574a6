"""Days to publish: tiles with valleys, gaps and flags, and the records that go with them."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from downscaler import product
from downscaler.ground.grid import Domain
from downscaler.ground.tiles import Tile
from downscaler.product import Flag
from downscaler.records import InputRecord, RunRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

DATE = dt.date(2015, 4, 1)
GRANULE = "SMAP_L3_SM_P_20150401_R13080_001.h5"
OTHER_YEAR = "The prior is of another year (water year 1999)."


def whole_field(domain: Domain, seed: int = 0) -> NDArray[np.float64]:
    """Soil moisture with blobs and channels on the whole domain, its north-west M36 cell empty."""
    from scipy.ndimage import gaussian_filter

    shape = (domain.shape().y, domain.shape().x)
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.standard_normal(shape), 8, mode="nearest") * 0.9
    channels = np.exp(-np.abs(gaussian_filter(rng.standard_normal(shape), 4, mode="nearest")) * 60) * 0.12
    field = np.clip(0.22 + smooth + channels + rng.standard_normal(shape) * 0.005, 0.03, 0.55)
    field[:36, :36] = np.nan
    return field


def whole_tiles(domain: Domain, seed: int = 0, size: int = 8) -> Iterator[Tile]:
    """The domain's tiles of at most ``size`` M36 cells on a side."""
    field = whole_field(domain, seed)
    for window in domain.blocks(size):
        theta = field[window.rows.slice, window.columns.slice]
        empty = np.isnan(theta)
        flag = np.where(empty, int(Flag.FILL), 0) | np.where(theta > 0.4, int(Flag.CLIPPED), 0)
        yield Tile(
            window=window,
            fields={
                "soil_moisture": theta,
                "uncertainty": np.where(empty, np.nan, 0.03 + 0.05 * theta),
                "lower": np.clip(theta - 0.06, 0.0, 1.0),
                "upper": np.clip(theta + 0.06, 0.0, 1.0),
                "quality_flag": flag.astype(np.uint16),
                "observation_time": np.where(empty, np.nan, 732.0),
            },
        )


@pytest.fixture(scope="session")
def domain() -> Domain:
    return product.DOMAINS["little-washita"]


@pytest.fixture(scope="session")
def tiles() -> Callable[..., Iterator[Tile]]:
    return whole_tiles


@pytest.fixture
def field() -> Callable[..., NDArray[np.float64]]:
    return whole_field


def run_record(
    domain: Domain,
    date: dt.date = DATE,
    *,
    granule: str = "a" * 64,
    simulated: bool = False,
    caveats: tuple[str, ...] = (OTHER_YEAR,),
) -> RunRecord:
    """A day's record with a granule, a prior and a model."""
    morning = dt.datetime.combine(date, dt.time(12, 12), tzinfo=dt.UTC)
    return RunRecord(
        date=date,
        domain_name=domain.name,
        inputs=(
            InputRecord(kind="granule", name=GRANULE, version="R13080.001", sha256=granule, size=1_000),
            InputRecord(kind="prior", name="little-washita.zarr", version="1", sha256="b" * 64, size=2_000),
            InputRecord(kind="model", name="model", version="0.1.0", sha256="c" * 64, size=3_000),
        ),
        observed=(morning, morning + dt.timedelta(minutes=8)),
        simulated=simulated,
        caveats=caveats,
        parameters={"seed": 7, "blocks": 8},
    )


@pytest.fixture(scope="session")
def record() -> Callable[..., RunRecord]:
    return run_record


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """A server that speaks S3 on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a catalogue in an empty bucket of that server."""
    import boto3

    settings = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ALLOW_HTTP": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    name = f"vadose-{os.urandom(4).hex()}"
    client = boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1")
    client.create_bucket(Bucket=name)
    yield f"s3://{name}/products"
    client.close()


@pytest.fixture(scope="session")
def published_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue to read, never to change: 2015-04-01 in its second revision (seed 1), 2015-04-02 (seed 2)."""
    from catalog import publish

    root, domain = tmp_path_factory.mktemp("published"), product.LITTLE_WASHITA
    publish(root, run_record(domain), domain, whole_tiles(domain))
    publish(root, run_record(domain, granule="d" * 64), domain, whole_tiles(domain, seed=1))
    publish(root, run_record(domain, DATE + dt.timedelta(days=1)), domain, whole_tiles(domain, seed=2))
    return root


@pytest.fixture(scope="session", name="run_record")
def make_run_record() -> Callable[..., RunRecord]:
    return run_record


@pytest.fixture(scope="session", name="whole_tiles")
def make_whole_tiles() -> Callable[..., Iterator[Tile]]:
    return whole_tiles


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a database in a real PostgreSQL on loopback; skips where there is none."""
    from postgres import running_postgres

    with running_postgres() as dsn:
        yield dsn
