"""HydroFrame's real client against a stand-in of its service on loopback, and what is made of its arrays."""

import datetime as dt
import io
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import xarray as xr

from downscaler import product
from downscaler.errors import (
    AbsentDataError,
    AcquisitionError,
    ConfigError,
    CredentialsError,
    LoginError,
    PriorCoverageError,
    PriorSchemaError,
    PriorUnreadableError,
    WeatherUnreadableError,
)
from downscaler.ground.grid import Span
from downscaler.ground.lattice import CONUS1, CONUS2, IJWindow
from downscaler.sources.parflow.hydrodata import (
    HydrodataSource,
    Request,
    client,
    fetch,
    open_hydrodata,
    soils,
    units,
    volume,
)
from downscaler.sources.parflow.hydrodata.place import window_of
from downscaler.sources.weather import open_weather_source
from downscaler.sources.weather.hydroframe import fetch_hydroframe
from downscaler.stores.prior import build_prior
from downscaler.stores.weather import add_days, build_weather, open_weather

EMAIL, PIN, JWT = "cAnArY-5f3e9d@example.org", "cAnArY-5f3e9d-pin", "cAnArY-5f3e9d-jwt"
WHERE = product.domain("-98.2,34.75,-97.95,34.95")
UNITS = {
    ("conus1_baseline_mod", "saturation"): "-",
    ("conus1_baseline_mod", "soil_moisture"): "kg/m2",
    ("conus2_current_conditions", "soil_moisture"): "cm3/cm3",
    ("NLDAS2", "precipitation"): "mm",
    ("NLDAS2", "air_temp"): "K",
    ("CW3E", "precipitation"): "mm",
    ("CW3E", "air_temp"): "K",
}


def saturation(time: np.ndarray, j: np.ndarray, i: np.ndarray) -> np.ndarray:
    """Hourly saturation of the top layer: known at every hour and cell of the whole lattice."""
    return 0.5 + 0.2 * np.sin(j / 7.0) * np.cos(i / 5.0) + 0.1 * np.sin(2 * np.pi * time / 24) + 0.001 * (time // 24)


def porosity(j: np.ndarray, i: np.ndarray) -> np.ndarray:
    return 0.38 + 0.04 * np.cos((i + j) / 11.0)


@dataclass
class World:
    """The stand-in's state: what it knows, refuses and saw."""

    url: str = ""
    expires: str = "2035/01/01 00:00:00 GMT-0000"
    pins: dict[str, str] = field(default_factory=lambda: {EMAIL: PIN})
    missing: set[str] = field(default_factory=set)
    broken: list[int] = field(default_factory=list)
    percent: float = 1.0
    sent: Counter = field(default_factory=Counter)
    queue: bool = False
    seen: Counter = field(default_factory=Counter)

    def values(self, q: dict[str, str]) -> np.ndarray:
        x0, y0, x1, y1 = json.loads(q["grid_bounds"])
        j, i = np.mgrid[y0:y1, x0:x1].astype(float)
        layers = 5 if q["grid"] == "conus1" else 10
        name, resolution = q["variable"], q["temporal_resolution"]
        if resolution == "static":
            found = {
                "porosity": porosity(j, i), "permeability": 0.02 + 0 * j, "van_genuchten_alpha": 2.0 + 0 * j,
                "van_genuchten_n": 2.5 + 0 * j, "slope_x": 0.01 * np.sin(i), "slope_y": 0.01 * np.cos(j),
                "elevation": 300 + j, "pf_indicator": 1 + (i + j) % 13, "veg_type_IGBP": 10 + 0 * j,
            }[name]  # fmt: skip
            if name in ("porosity", "permeability", "van_genuchten_alpha", "van_genuchten_n", "pf_indicator"):
                found = np.stack([found * 0 + 21] * (layers - 1) + [found])  # all layers, the top last
            return np.where(self.sea(j, i), np.nan, found)
        first, last = (dt.date.fromisoformat(q[k]) for k in ("date_start", "date_end"))
        start = (first - dt.date(2002, 10, 1)).days
        days = (last - first).days
        if resolution == "hourly":
            assert q["z"] == str(layers - 1)
            hours = np.arange(start * 24, (start + days) * 24, dtype=float)[:, None, None]
            found = saturation(hours, j, i)[:, None]  # [hour, z, y, x]
        else:
            day = np.arange(start, start + days, dtype=float)[:, None, None]
            found = {
                "soil_moisture": 0.25 * self.percent + 0 * day + 0 * j,
                "precipitation": 3.0 + 0 * day + 0 * j,
                "air_temp": 290.0 + 0 * day + 0 * j,
            }[name]
        return np.where(self.sea(j, i), np.nan, found)

    def sea(self, j: np.ndarray, i: np.ndarray) -> np.ndarray:
        return (i % 17 == 3) & (j % 13 == 5)


class Handler(BaseHTTPRequestHandler):
    world: World

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_DELETE(self) -> None:
        self.answer(200)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {key: value[0] for key, value in parse_qs(parts.query).items()}
        self.world.seen[parts.path] += 1
        if parts.path == "/api/api_pins":
            good = self.world.pins.get(query["email"]) == query["pin"]
            token = {"jwt_token": JWT, "expires": self.world.expires, "user_roles": ["public"]}
            self.answer(200 if good else 400, json.dumps(token if good else {"message": "no"}).encode())
        elif parts.path == "/api/v2/data_catalog":
            unit = UNITS.get((query.get("dataset", ""), query.get("variable", "")), "-")
            row = query | {"units": unit, "id": "7", "file_type": "pfb", "aggregation": query.get("aggregation", "-")}
            self.answer(200, json.dumps({"7": row}).encode())
        elif self.headers.get("Authorization") != f"Bearer {JWT}":
            self.answer(401)
        elif parts.path.startswith("/api/queued"):
            self.grid(self.server.queued)  # type: ignore[attr-defined]
        elif self.world.queue:
            self.server.queued = query  # type: ignore[attr-defined]
            self.answer(202, Location="/queued/1", download_start="1")
        else:
            self.grid(query)

    def grid(self, query: dict[str, str]) -> None:
        key = f"{query['variable']} {query.get('date_start', '')}"[:-3].strip()
        self.world.seen[f"{query['dataset']} {query['variable']}"] += 1
        if self.world.broken and self.world.broken[0] < 0:
            self.world.broken.pop(0)
            self.connection.shutdown(socket.SHUT_RDWR)  # the line breaks
        elif self.world.broken:
            self.answer(self.world.broken.pop(0), b"<html>" if self.world.broken[0] == 400 else b"{}")
        elif key in self.world.missing:
            self.answer(400, json.dumps({"message": f"No data for {query['date_start']}"}).encode())
        else:
            values = self.world.values(query)
            dims = [("time",)[:1], ("z",), ("y",), ("x",)][-values.ndim :] if values.ndim == 4 else None
            names = ["time", "z", "y", "x"] if dims else (["time", "y", "x"], ["z", "y", "x"])[_static(query)]
            names = names[-values.ndim :]
            data = xr.Dataset({query["variable"]: (names, values)})
            buffer = io.BytesIO(data.to_netcdf(engine="scipy"))
            self.world.sent[query["variable"]] += len(buffer.getvalue())
            self.answer(200, buffer.getvalue(), Content_Type="application/x-netcdf")


def _static(query: dict[str, str]) -> bool:
    return query["temporal_resolution"] == "static"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """A service that runs, a home with a registered PIN, and a client that has forgotten who it was."""
    from hf_hydrodata import data_catalog, data_model_access, gridded

    world = World()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"world": world}))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    world.url = f"http://127.0.0.1:{server.server_port}"
    for module in (data_catalog, data_model_access, gridded):  # read from HYDRODATA_URL at import
        monkeypatch.setattr(module, "HYDRODATA_URL", world.url, raising=False)
    monkeypatch.setattr(data_model_access, "JWT_TOKEN", None)
    monkeypatch.setattr(data_model_access, "JWT_TOKEN_TIMESTAMP", None)
    monkeypatch.setattr(data_model_access, "DATA_MODEL_CACHE", None)
    home = tmp_path / "home"
    (home / ".hydrodata").mkdir(parents=True)
    (home / ".hydrodata" / "pin.json").write_text(json.dumps({"email": EMAIL, "pin": PIN}))
    monkeypatch.setenv("HOME", str(home))
    yield world
    server.shutdown()
    server.server_close()


PERIOD = (dt.date(2003, 1, 30), dt.date(2003, 3, 2))


def test_conus1_by_month_and_block_into_a_prior(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "fetched"
    told: list[tuple[int, int]] = []
    source = open_hydrodata(
        folder, WHERE, "conus1_baseline_mod", PERIOD, hourly=True, progress=lambda *counts: told.append(counts)
    )
    assert told[-1] == (3, 3)  # three months, one block
    assert len(source.days) == 32
    assert source.lattice.registration == "hydrodata"
    window = source.lattice.window
    i0, j0, i1, j1 = source.lattice.ij_bounds or (0, 0, 0, 0)
    j, i = np.mgrid[j0:j1, i0:i1].astype(float)
    first = (PERIOD[0] - dt.date(2002, 10, 1)).days
    hours = np.arange(24 * (first + 3), 24 * (first + 4), dtype=float)[:, None, None]
    wanted = np.where(world.sea(j, i), np.nan, saturation(hours, j, i).mean(axis=0) * porosity(j, i))
    assert np.allclose(source.read_days("soil_moisture", slice(3, 4), window)[0], wanted, atol=1e-6, equal_nan=True)
    assert np.isnan(wanted).any()  # masked cells stay empty
    assert float(np.nanmax(source.read_days("precipitation", slice(0, 2), window))) == 3.0
    assert np.nanmax(np.abs(source.read_static("porosity", window) - porosity(j, i))) < 1e-6
    prior = build_prior(source, WHERE, tmp_path / "prior")
    theta = prior.data["soil_moisture"].values
    assert np.isfinite(theta).mean() > 0.9
    assert {"precipitation", "air_temperature", "elevation", "land_cover", "permeability"} <= set(prior.data)
    assert any("hourly saturation" in note for note in prior.notes)
    assert np.nanmax(theta) <= float(prior.data["porosity"].max())


def test_the_smallest_request_is_the_default_and_its_volume_is_told(world: World, tmp_path: Path) -> None:
    folders = {hourly: tmp_path / str(hourly) for hourly in (False, True)}
    world.percent = 100.0  # kg m-2 of a layer of 0.1 m, as it is labelled
    for hourly, folder in folders.items():
        request = Request.of("conus1_baseline_mod", WHERE, *PERIOD, hourly=hourly)
        told = volume(request, folder)
        assert not folder.exists()  # told before anything is asked
        before = sum(world.sent.values())
        source = open_hydrodata(folder, WHERE, "conus1_baseline_mod", PERIOD, hourly=hourly)
        brought = sum(world.sent.values()) - before
        print(f"hourly {hourly}: told {told}, brought {brought}")
        assert 0.5 * told.bytes < brought <= told.bytes * 1.05  # static fields without layers bring less than told
        assert volume(request, folder).bytes == volume(request, folder).answers == 0
    assert world.sent["saturation"] > 23 * world.sent["soil_moisture"]
    daily = HydrodataSource(Request.of("conus1_baseline_mod", WHERE, *PERIOD), folders[False])
    theta = daily.read_days("soil_moisture", slice(0, 2), daily.lattice.window)
    assert np.allclose(theta[np.isfinite(theta)], 0.25)
    assert not any("hourly" in note for note in daily.info.notes)
    assert any("hourly" in note for note in source.info.notes)
    with pytest.raises(PriorSchemaError, match="another request"):
        open_hydrodata(folders[True], WHERE, "conus1_baseline_mod", PERIOD)


def test_a_large_download_is_asked_for(world: World, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="large download") as caught:
        open_hydrodata(tmp_path / "f", WHERE, "conus1_baseline_mod", PERIOD, most=1000)
    assert "--yes" in str(caught.value)
    assert "GB in" in str(caught.value)
    assert not world.seen
    with pytest.raises(ConfigError, match="no hourly saturation"):
        open_hydrodata(tmp_path / "f", WHERE, "conus2_current_conditions", PERIOD, hourly=True)
    year = (dt.date(2003, 10, 1), dt.date(2004, 9, 30))
    whole = [
        volume(Request.of("conus2_baseline", product.CONUS, *year, forcing=False, hourly=h), tmp_path).bytes
        for h in (False, True)
    ]
    print(f"a year of CONUS2: {whole[0] / 1e9:.0f} GB of days, {whole[1] / 1e9:.0f} GB of hours")
    assert whole[1] > 20 * whole[0]


def test_blocks_are_put_together_without_a_seam(world: World, tmp_path: Path) -> None:
    request = Request.of("conus1_baseline_mod", WHERE, PERIOD[0], PERIOD[0], forcing=False, hourly=True)
    sources = []
    for block in (128, 16):
        folder = tmp_path / str(block)
        cut = replace(request, block=block)
        fetch(cut, folder)
        sources.append(HydrodataSource(cut, folder))
    assert len(list(folder.glob("2003*.npz"))) > 4
    one, other = (s.read_days("soil_moisture", slice(0, 1), s.lattice.window) for s in sources)
    assert np.array_equal(one, other, equal_nan=True)
    assert sources[1].daily == ("soil_moisture",)


def test_stopped_it_goes_on_where_it_was(world: World, tmp_path: Path) -> None:
    request = Request.of("conus1_baseline_mod", WHERE, *PERIOD)
    folder = tmp_path / "fetched"
    fetch(request, folder)
    before = dict(world.seen)
    fetch(request, folder)
    assert world.seen["conus1_baseline_mod soil_moisture"] == before["conus1_baseline_mod soil_moisture"] == 3
    next(folder.glob("20030201*.npz")).unlink()
    for trouble in (500, 502, 504, -1, 400):  # -1: the line breaks; 400 with a page that is no answer of the service
        world.broken = [trouble]
        with pytest.raises(AcquisitionError, match="it resumes") as caught:
            fetch(request, folder)
        assert not isinstance(caught.value, AbsentDataError), trouble
        assert not list(folder.glob("*.absent"))  # the month is there, and is asked for again
    fetch(request, folder)
    assert len(list(folder.glob("2003*.npz"))) == 3
    assert not list(folder.glob("*.partial"))
    other = Request.of("conus1_baseline_mod", WHERE, *PERIOD, forcing=False)
    with pytest.raises(PriorSchemaError, match="another request"):
        fetch(other, folder)


def test_killed_while_it_wrote_it_goes_on(world: World, tmp_path: Path) -> None:
    """A process that was killed leaves a half file, at worst before it said what the folder holds."""
    request = Request.of("conus1_baseline_mod", WHERE, PERIOD[0], PERIOD[0], forcing=False)
    folder = tmp_path / "fetched"
    folder.mkdir()
    half = folder / "hydrodata.1.partial"
    half.write_bytes(b"{")
    young = folder / "static_i0-1_j0-1.2.partial"
    young.write_bytes(b"PK")
    os.utime(half, (time.time() - 2 * 86400,) * 2)
    fetch(request, folder)
    assert not half.exists()
    assert young.exists()  # another fetch may be at work on it
    source = HydrodataSource(request, folder)
    part = next(folder.glob("2003*.npz"))
    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(PriorUnreadableError, match="Delete it and run the same command again"):
        source.read_days("soil_moisture", slice(0, 1), source.lattice.window)
    next(folder.glob("static*.npz")).write_bytes(b"PK")
    with pytest.raises(PriorUnreadableError, match="damaged"):
        print(source.statics)
    part.unlink()
    with pytest.raises(PriorUnreadableError, match="damaged"):
        fetch(request, folder)
    (folder / "hydrodata.json").write_bytes(b"")
    with pytest.raises(PriorUnreadableError, match="another folder"):
        fetch(request, folder)


def test_a_month_that_is_missing_is_left_out_and_noted(world: World, tmp_path: Path) -> None:
    world.missing = {"soil_moisture 2003-02"}
    source = open_hydrodata(tmp_path / "f", WHERE, "conus1_baseline_mod", PERIOD)
    assert [day.isoformat() for day in source.days] == ["2003-01-30", "2003-01-31", "2003-03-01", "2003-03-02"]
    assert "1 months are not at HydroFrame: 2003-02." in source.info.notes
    values = source.read_days("soil_moisture", slice(1, 3), source.lattice.window)
    assert np.isfinite(values).any(axis=(1, 2)).all()
    world.missing = {"soil_moisture 2003-01"}
    with pytest.raises(PriorUnreadableError, match="No month"):
        open_hydrodata(tmp_path / "g", WHERE, "conus1_baseline_mod", (PERIOD[0], PERIOD[0]))


def test_the_upper_colorado_can_be_asked_for_as_the_continental_runs_can(world: World, tmp_path: Path) -> None:
    """Hours on CONUS2's lattice; where its days or its weather are not kept, the message says what to try."""
    period = (dt.date(2003, 5, 1), dt.date(2003, 5, 3))
    source = open_hydrodata(tmp_path / "f", WHERE, "ucrb_baseline", period, hourly=True)
    assert source.lattice.name == "CONUS2"
    assert [str(day) for day in source.days] == ["2003-05-01", "2003-05-02", "2003-05-03"]
    i0, j0, i1, j1 = source.lattice.ij_bounds or (0, 0, 0, 0)
    j, i = np.mgrid[j0:j1, i0:i1].astype(float)
    first = (period[0] - dt.date(2002, 10, 1)).days
    hours = np.arange(24 * first, 24 * (first + 1), dtype=float)[:, None, None]
    window = source.lattice.window
    theta, pores = source.read_days("soil_moisture", slice(0, 1), window)[0], source.read_static("porosity", window)
    wanted = np.where(world.sea(j, i), np.nan, saturation(hours, j, i).mean(axis=0) * pores)
    assert np.allclose(theta, wanted, atol=1e-6, equal_nan=True)
    assert world.seen["ucrb_baseline saturation"] == 1
    assert world.seen["CW3E precipitation"] == 1
    world.missing = {"soil_moisture 2003-05"}
    with pytest.raises(PriorUnreadableError, match=r"--hourly .* or --no-forcing \(its weather, CW3E"):
        open_hydrodata(tmp_path / "g", WHERE, "ucrb_baseline", period)


def test_a_queued_answer_is_waited_for(world: World, tmp_path: Path) -> None:
    world.queue = True
    options = {"dataset": "conus1_domain", "variable": "elevation", "grid": "conus1", "temporal_resolution": "static"}
    values = client.array({**options, "grid_bounds": [100, 200, 103, 204]})
    assert values.shape == (4, 3)


def test_conus2_takes_its_soil_from_the_table(world: World, tmp_path: Path) -> None:
    period = (dt.date(2023, 9, 1), dt.date(2023, 9, 3))
    source = open_hydrodata(tmp_path / "f", WHERE, "conus2_current_conditions", period)
    window = source.lattice.window
    i0, j0, i1, j1 = source.lattice.ij_bounds or (0, 0, 0, 0)
    j, i = np.mgrid[j0:j1, i0:i1]
    unit = 1 + (i + j) % 13
    for n, name in enumerate(soils.NAMES):
        wanted = np.array([soils.SOILS[u][n] for u in unit.ravel()]).reshape(unit.shape)
        found = source.read_static(name, window)
        assert np.allclose(found[~np.isnan(found)], wanted[~np.isnan(found)], rtol=1e-6)
    assert any("table" in note for note in source.info.notes)
    prior = build_prior(source, WHERE, tmp_path / "prior")
    assert 0.0 < float(np.nanmax(prior.data["residual"].values)) < 1e-3


def test_no_pin_lapsed_pin_and_wrong_pin(world: World, caplog: pytest.LogCaptureFixture) -> None:
    options = {"dataset": "conus1_domain", "variable": "elevation", "grid": "conus1", "temporal_resolution": "static"}
    asked = {**options, "grid_bounds": [100, 200, 103, 204]}
    file = Path(os.environ["HOME"]) / ".hydrodata" / "pin.json"
    kept = file.read_text()
    file.unlink()
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(CredentialsError, match="register_api_pin"):
            client.array(asked)
        file.write_text(kept)
        world.expires = "2024/01/01 00:00:00 GMT-0000"
        with pytest.raises(LoginError, match="expires after 7 days"):
            client.array(asked)
        world.expires, world.pins = "2035/01/01 00:00:00 GMT-0000", {}
        with pytest.raises(LoginError) as refused:
            client.array(asked)
        world.pins = {EMAIL: PIN}
        assert client.array(asked).shape == (4, 3)
        world.broken = [502]
        with pytest.raises(AcquisitionError) as unavailable:
            client.array({**asked, "variable": "slope_x"})
    said = caplog.text + str(refused.value) + str(unavailable.value)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None
    assert EMAIL not in said
    assert PIN not in said
    assert JWT not in said


def test_out_of_reach_and_absent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from hf_hydrodata import data_model_access

    asked = {"dataset": "x", "variable": "saturation", "grid": "conus1", "temporal_resolution": "hourly"}
    world.missing = {"saturation 2003-02"}
    with pytest.raises(AbsentDataError, match="No data for 2003-02-01"):
        client.array({**asked, "date_start": "2003-02-01", "date_end": "2003-03-01", "grid_bounds": [1, 1, 2, 2]})
    monkeypatch.setattr(data_model_access, "JWT_TOKEN", None)
    monkeypatch.setattr(data_model_access, "HYDRODATA_URL", "http://127.0.0.1:9")
    with pytest.raises(AcquisitionError, match="Unable to connect"):
        client.array({**asked, "date_start": "2003-01-01", "grid_bounds": [1, 1, 2, 2]})


def test_periods_runs_and_places_are_checked_before_anything_is_asked(world: World) -> None:
    with pytest.raises(ConfigError, match="conus1_baseline_mod"):
        Request.of("conus3", WHERE, *PERIOD)
    with pytest.raises(ConfigError, match="conus2_baseline"):  # none named: the runs that there are
        Request.of(None, WHERE, *PERIOD)
    with pytest.raises(PriorCoverageError, match="2006-09-30"):
        Request.of("conus1_baseline_mod", WHERE, dt.date(2006, 1, 1), dt.date(2007, 1, 1))
    with pytest.raises(PriorCoverageError, match="--end"):
        Request.of("conus2_baseline", WHERE, None, None)
    hawaii = product.domain("-156,19.5,-155.5,20")
    with pytest.raises(PriorCoverageError, match="lies outside CONUS1"):
        window_of(CONUS1, hawaii)
    assert not world.seen


@pytest.mark.parametrize("parent", [CONUS1, CONUS2])
def test_the_window_holds_the_whole_domain(parent: Any) -> None:
    from downscaler.ground.grid import Span, Window
    from downscaler.ground.regrid import overlap

    window = window_of(parent, WHERE, margin=0)
    lattice = parent.cut(window.bounds, "hydrodata")
    shape = WHERE.shape()
    share = overlap(lattice, WHERE, Window(rows=Span(start=0, stop=shape.y), columns=Span(start=0, stop=shape.x)))
    assert share is not None
    assert np.allclose(share.mean(np.ones((1, *share.source.shape), np.float32)), 1.0)
    covered = np.asarray(share.matrix.sum(axis=1)).ravel()
    assert covered.min() > 0.999  # every product cell wholly within


@pytest.mark.parametrize(
    ("label", "factor", "noted"),
    [("kg/m2", 100.0, False), ("kg/m2", 1.0, True), ("cm3/cm3", 1.0, False), ("m3/m3", 100.0, True), ("", 1.0, True)],
)
def test_a_label_is_never_trusted_blindly(label: str, factor: float, noted: bool) -> None:
    rng = np.random.default_rng(1)
    pores = np.full((20, 30), 0.4)
    theta = 0.4 * rng.uniform(0.1, 1.0, (5, 20, 30))
    found, note = units.as_fraction(theta * factor, label, pores)
    assert np.allclose(found, theta)
    assert (note is not None) == noted


def test_numbers_that_are_neither_are_refused() -> None:
    pores = np.full((4, 4), 0.4)
    for values in (np.full((1, 4, 4), 100.0), np.full((1, 4, 4), 0.5), np.full((1, 4, 4), 1e-4)):
        with pytest.raises(PriorSchemaError, match="fits neither"):
            units.as_fraction(values, "kg/m2", pores)
    with pytest.raises(PriorSchemaError, match="not a fraction"):
        units.from_saturation(np.full((1, 4, 4), 40.0), pores)
    with pytest.raises(PriorSchemaError, match="not in K"):
        units.check_temperature(np.full((1, 2, 2), 17.0), "K")
    with pytest.raises(PriorSchemaError, match="not in mm"):
        units.check_precipitation(np.full((1, 2, 2), 3.0), "mm/s")
    with pytest.raises(PriorSchemaError, match="whole days"):
        units.daily_means(np.zeros((25, 2, 2)))
    with pytest.raises(PriorSchemaError, match="another shape"):
        units.top_layer(np.zeros((24, 3, 2, 2)), 5, leading=1)
    with pytest.raises(PriorSchemaError, match="units that CONUS2 does not have"):
        soils.parameters(np.array([[1.0, 15.0]]))


def test_the_table_is_that_of_the_run_scripts() -> None:
    """A few entries as HydroFrame's subsettools has them, and that soils differ as soils do."""
    assert soils.SOILS[1] == (0.375, 0.269022595, 3.548, 4.162, 0.0001)  # sand
    assert soils.SOILS[12][:2] == (0.459, 0.006162952)  # clay
    assert set(soils.TABLE) == {*range(1, 14), 19, 20, *range(21, 29)}
    assert soils.SOILS[1][1] == max(values[1] for values in soils.SOILS.values())  # sand conducts best
    found = soils.parameters(np.array([[1.0, np.nan], [28.0, 0.0]]))
    assert np.isnan(found["porosity"]).tolist() == [[False, True], [False, True]]
    assert found["permeability"][1, 0] == 0.2


def test_the_command_builds_a_prior_and_no_credential_is_left_anywhere(world: World, tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"], "HYDRODATA_URL": world.url}
    (tmp_path / "work").mkdir()

    line = [sys.executable, "-m", "flows.cli", "--debug", "prior", "build", "--source", "hydrodata", "fetched"]
    line += ["--domain=-98.2,34.75,-97.95,34.95", "--out", "prior", "--start", "2003-01-30", "--end", "2003-02-02"]
    line += ["--dataset", "conus1_baseline_mod"]
    said = []
    world.pins = {}
    for code in (82, 0):
        ended = subprocess.run(
            line, cwd=tmp_path / "work", env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert ended.returncode == code, ended.stderr
        said.append(ended.stdout + ended.stderr)
        world.pins = {EMAIL: PIN}
    assert "2003-01-30 to 2003-02-02" in said[-1]
    assert world.seen["conus1_baseline_mod soil_moisture"] == 2
    assert "to fetch from HydroFrame: 0.0" in said[-1]
    files = [p for p in (tmp_path / "work").rglob("*") if p.is_file()]
    assert len(files) > 10
    assert [p for p in files if b"cAnArY" in p.read_bytes()] == []
    assert "cAnArY" not in "".join(said)


def test_forcing_by_day_as_a_source_of_weather(world: World, tmp_path: Path) -> None:
    """CW3E as daily sums, a day a file: nothing twice, a month that is not there told, the others whole."""
    first = dt.date(2024, 5, 30)
    days = [first + dt.timedelta(days=n) for n in range(4)]  # into June
    world.missing = {"precipitation 2024-06"}
    assert fetch_hydroframe("cw3e", tmp_path / "f", days, WHERE) == {days[2]: 0, days[3]: 0}
    assert world.seen["CW3E precipitation"] == 4
    assert world.seen["CW3E air_temp"] == 2
    assert sum(world.sent.values()) < 4 * 8 * 1.2 * np.prod(window_of(CONUS2, WHERE).shape)  # days, not hours
    source = open_weather_source("cw3e", tmp_path / "f")
    assert source.days == (days[0], days[1])
    read = source.read(first, source.lattice.window)
    sea = world.sea(*(np.mgrid[source.lattice.ij_bounds[1] : source.lattice.ij_bounds[3],
                               source.lattice.ij_bounds[0] : source.lattice.ij_bounds[2]]))  # fmt: skip
    assert np.array_equal(np.isnan(read.precipitation), sea)
    assert np.allclose(read.precipitation[~sea], 3.0)
    assert read.air_temperature is not None
    assert np.allclose(read.air_temperature[~sea], 290.0)
    part = IJWindow(i=Span(start=3, stop=8), j=Span(start=5, stop=9))
    cut = source.read(first, part)
    assert np.array_equal(cut.precipitation, read.precipitation[part.slices], equal_nan=True)
    world.missing = set()
    assert fetch_hydroframe("cw3e", tmp_path / "f", days, WHERE) == {}
    assert world.seen["CW3E precipitation"] == 6  # the two that were missing
    build_weather(tmp_path / "w", WHERE)
    source = open_weather_source("cw3e", tmp_path / "f")
    assert len(add_days(tmp_path / "w", source, source.days, own=True)) == 4
    assert open_weather(tmp_path / "w").best[first].mean["precipitation"] == 3.0
    with pytest.raises(WeatherUnreadableError, match="another forcing"):
        open_weather_source("hydroframe-nldas2", tmp_path / "f")
    with pytest.raises(WeatherUnreadableError, match="another domain"):
        fetch_hydroframe("cw3e", tmp_path / "f", days, product.domain("-99.2,34.75,-98.95,34.95"))
    with pytest.raises(WeatherUnreadableError, match="Not a folder of HydroFrame"):
        open_weather_source("cw3e", tmp_path / "w")
    (tmp_path / "f" / next((tmp_path / "f").glob("20240530*.npz")).name).write_bytes(b"PK damaged")
    with pytest.raises(WeatherUnreadableError, match="damaged"):
        open_weather_source("cw3e", tmp_path / "f").read(first, part)
