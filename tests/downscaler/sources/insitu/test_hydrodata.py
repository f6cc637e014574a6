"""SCAN and SNOTEL: HydroFrame's real client against a stand-in of its server on loopback."""

import datetime as dt
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest

from downscaler import product
from downscaler.errors import HydroDataError
from downscaler.sources.insitu import read_stations

pytest.importorskip("hf_hydrodata", reason="needs the extra `hydrodata`")
import hf_hydrodata.point

PERIOD = (dt.date(2024, 5, 1), dt.date(2024, 5, 4))
VALUES = {"2": [0.21, 0.22, np.nan, 0.24], "4": [0.31, 0.32, 0.33, 0.34]}


class StandIn(BaseHTTPRequestHandler):
    """Answers as the server does: a token for the right PIN, then pickled tables, or what ``server.fault`` says."""

    def log_message(self, *_: object) -> None:
        """Silence."""

    def do_DELETE(self) -> None:
        self._answer(200, b"{}")

    def do_GET(self) -> None:
        url, fault = urlsplit(self.path), self.server.fault
        asked = {key: values[0] for key, values in parse_qs(url.query).items()}
        self.server.asked.append((url.path, asked))
        if url.path == "/api/api_pins":
            expires = "2020/01/01 00:00:00 GMT-0000" if fault == "lapsed" else "2999/01/01 00:00:00 GMT-0000"
            status = 200 if asked["pin"] == "1234" else 400
            self._answer(status, json.dumps({"jwt_token": "t", "expires": expires}).encode())
        elif fault == "down":
            self._answer(502, b"")
        elif fault == "empty":
            self._answer(400, b'{"message": "There are zero sites that satisfy the given parameters."}')
        else:
            table = self._places() if asked["data_type"] == "metadata_only" else self._values(asked["depth_level"])
            buffer = io.BytesIO()
            table.to_pickle(buffer)
            self._answer(200, b"nonsense" if fault == "garbled" else buffer.getvalue())

    def _places(self) -> pd.DataFrame:
        columns = ["site_id", "latitude"] if self.server.fault == "columns" else ["site_id", "latitude", "longitude"]
        rows = [("2091:AR:SCAN", 34.6, -94.3), ("2092:AR:SCAN", 34.9, -94.5), ("9999:CA:SCAN", 38.0, -120.0)]
        return pd.DataFrame([row[: len(columns)] for row in rows], columns=columns)

    def _values(self, depth: str) -> pd.DataFrame:
        scale = 100.0 if self.server.fault == "percent" else 1.0
        dates = [f"2024-05-0{day}" for day in range(1, 5)]
        readings = scale * np.array(VALUES[depth])
        sites = dict.fromkeys(("2091:AR:SCAN", "2092:AR:SCAN", "9999:CA:SCAN", "0000:XX:SCAN"), readings)
        return pd.DataFrame({"date": dates, **sites})

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def server(monkeypatch, tmp_path) -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    made.fault, made.asked = "", []
    threading.Thread(target=made.serve_forever, daemon=True).start()
    monkeypatch.setattr(hf_hydrodata.point, "HYDRODATA_URL", f"http://127.0.0.1:{made.server_port}")
    monkeypatch.setenv("HOME", str(tmp_path))
    register(tmp_path)
    yield made
    made.shutdown()
    made.server_close()


def register(home, pin="1234"):
    (home / ".hydrodata").mkdir(exist_ok=True)
    (home / ".hydrodata" / "pin.json").write_text(json.dumps({"email": "a@b.org", "pin": pin}))


def read(network="scan"):
    return list(read_stations(network, domain=product.DEMO, period=PERIOD, deepest=0.11))


def test_stations_of_the_domain_are_read_depth_by_depth(server):
    found = read()
    series = [one for one, _ in found if one is not None]
    assert [(s.sensor.station, round(s.sensor.depth_to, 4)) for s in series] == [
        ("2091:AR:SCAN", 0.0508),
        ("2092:AR:SCAN", 0.0508),
        ("2091:AR:SCAN", 0.1016),
        ("2092:AR:SCAN", 0.1016),
    ]
    first = series[0]
    assert first.daily
    assert (first.sensor.network, first.sensor.lat, first.sensor.lon) == ("SCAN", 34.6, -94.3)
    np.testing.assert_array_equal(first.value, VALUES["2"])
    assert list(first.flag) == ["G", "G", "M", "G"]
    assert first.time[0] == np.datetime64("2024-05-01")
    told = [report.problem for one, report in found if one is None]
    assert sum("outside the domain" in text for text in told) == 2
    assert sum("location of the site is missing" in text for text in told) == 2
    asked = [query for path, query in server.asked if path == "/api/point-data-dataframe"]
    assert {query["depth_level"] for query in asked} == {"2", "4"}
    assert all(
        (q["dataset"], q["variable"], q["temporal_resolution"]) == ("scan", "soil_moisture", "daily") for q in asked
    )
    assert all((q["date_start"], q["date_end"]) == ("2024-05-01", "2024-05-04") for q in asked)


def test_percent_is_refused(server):
    server.fault = "percent"
    assert all(one is None for one, _ in read())
    assert any("percent" in report.problem for _, report in read())


def test_no_station_in_the_domain_is_told(server):
    server.fault = "empty"
    assert [(one, report.problem) for one, report in read("snotel")] == [(None, "no station in the domain")] * 2


@pytest.mark.parametrize("fault", ["lapsed", "wrong", "absent"])
def test_a_pin_that_is_absent_wrong_or_lapsed_is_told_with_how_to_make_one(server, tmp_path, fault):
    server.fault = fault
    if fault == "wrong":
        register(tmp_path, pin="9999")
    if fault == "absent":
        (tmp_path / ".hydrodata" / "pin.json").unlink()
    with pytest.raises(HydroDataError, match=r"PIN.*register_api_pin") as caught:
        read()
    assert caught.value.exit_code == 51


@pytest.mark.parametrize("fault", ["down", "garbled"])
def test_a_server_that_fails_is_told(server, fault):
    server.fault = fault
    with pytest.raises(HydroDataError, match="does not answer"):
        read()


def test_an_answer_of_other_columns_is_told(server):
    server.fault = "columns"
    with pytest.raises(HydroDataError, match="not be interpreted"):
        read()


def test_a_server_that_is_not_there_is_told(server, monkeypatch):
    monkeypatch.setattr(hf_hydrodata.point, "HYDRODATA_URL", "http://127.0.0.1:9")
    with pytest.raises(HydroDataError):
        read()
