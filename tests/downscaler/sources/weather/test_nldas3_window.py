"""NLDAS-3 by its window: few bytes of an archive on loopback, the same values, and no window taken for another."""

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import weather_files as making

from downscaler import product
from downscaler.errors import AbsentDataError, AcquisitionError, WeatherUnreadableError
from downscaler.sources.weather import open_weather_source
from downscaler.sources.weather.nldas3_window import fetch_nldas3, window_of

pytestmark = pytest.mark.integration

DOMAIN = product.LITTLE_WASHITA


DAY = making.DAY
LATER = DAY + dt.timedelta(days=1)


class Handler(BaseHTTPRequestHandler):
    """Files of a folder, whole or by ranges; counts the bytes it sends."""

    root: Path
    sent: list[int]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        file = self.root / self.path.lstrip("/")
        if not file.is_file():
            self.send_error(404)
            return
        whole = file.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        piece = whole if asked is None else whole[int(asked[1]) : int(asked[2]) + 1]
        self.send_response(200 if asked is None else 206)
        if asked is not None:
            self.send_header("Content-Range", f"bytes {asked[1]}-{int(asked[1]) + len(piece) - 1}/{len(whole)}")
        self.send_header("Content-Length", str(len(piece)))
        self.send_header("Last-Modified", "Thu, 05 Feb 2026 00:00:00 GMT")
        self.end_headers()
        if body:
            self.sent.append(len(piece))
            self.wfile.write(piece)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def archive(root: Path) -> Iterator[tuple[str, list[int]]]:
    """Address of a server of a folder, and the bytes that it has sent."""
    sent: list[int] = []
    handler = type("Of", (Handler,), {"root": root, "sent": sent})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", sent
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of one day, of rain that is unlike everywhere so that it does not pack."""
    root = tmp_path_factory.mktemp("archive")

    def noise(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        return np.random.default_rng(0).gamma(0.5, 9.0, (lat.size, lon.size))

    making.nldas3_day(root / f"{DAY:%Y%m}", field=noise, wide=True)
    return root


def test_a_window_has_the_whole_files_values_and_is_not_fetched_twice(held: Path, tmp_path: Path) -> None:
    with archive(held) as (address, sent):
        assert fetch_nldas3(tmp_path, [DAY, LATER], DOMAIN, address=address) == {LATER: 0}
        bytes_sent = sum(sent)
        assert fetch_nldas3(tmp_path, [DAY], DOMAIN, address=address) == {}
        assert sum(sent) == bytes_sent
    assert bytes_sent < 0.3 * next(held.rglob("*.nc")).stat().st_size
    window = window_of(DOMAIN)
    ours, theirs = (open_weather_source("nldas3", where) for where in (tmp_path, held))
    found, expected = ours.read(DAY, window), theirs.read(DAY, window)
    assert np.isfinite(found.precipitation).all()
    np.testing.assert_array_equal(found.precipitation, expected.precipitation)
    assert found.air_temperature is not None
    assert expected.air_temperature is not None
    np.testing.assert_array_equal(found.air_temperature, expected.air_temperature)
    assert (found.version, found.notes) == (expected.version, expected.notes)
    with pytest.raises(WeatherUnreadableError, match="another domain"):
        ours.read(DAY, window_of(product.UPPER_VERDE))
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size < bytes_sent


def test_no_day_no_archive_and_no_netcdf(held: Path, tmp_path: Path) -> None:
    with archive(held) as (address, _):
        with pytest.raises(AbsentDataError, match="no daily file"):
            fetch_nldas3(tmp_path, [LATER], DOMAIN, address=address)
        damaged = held / f"{LATER:%Y%m}" / f"NLDAS_FOR0010_D.A{LATER:%Y%m%d}.030.beta.nc"
        damaged.write_bytes(next(held.rglob(f"*{DAY:%Y%m%d}*")).read_bytes()[:9000])
        with pytest.raises(AcquisitionError, match="could not be read"):
            fetch_nldas3(tmp_path, [LATER], DOMAIN, address=address)
        damaged.unlink()
    with pytest.raises(AcquisitionError, match="could not be read"):
        fetch_nldas3(tmp_path, [DAY], DOMAIN, address=address, timeout=1)
    assert list(tmp_path.iterdir()) == []
