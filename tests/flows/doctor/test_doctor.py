"""``vadose doctor`` on a whole site and on broken ones: verdict, remedy and exit code."""

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
from old_store import old_store

from downscaler import product
from downscaler.errors import DoctorError
from downscaler.sources.weather import open_weather_source
from downscaler.stores.weather import add_days, build_weather
from flows.doctor import inputs, machine
from flows.doctor.findings import Answer, Finding, examine, in_turn, passed, require_well, skipped, warned
from flows.doctor.server import pgstac
from flows.settings import Settings, load_settings

DOMAIN = "-94.9,34.3,-94.4,34.6"


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Path:
    """Settings of the sample beside it, with its stations."""
    (tmp_path / "vadose.toml").write_text(
        f'domain = "{DOMAIN}"\nprior = "{made / "prior"}"\nmodel = "{made / "model"}"\n'
        f'granules = "{made / "sample" / "granules"}"\ncatalog = "published"\n'
        f'stations = ["{made / "sample" / "stations"}"]\nlook_back = 14\n'
    )
    return tmp_path


def told(out: str) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in json.loads(out)}


def test_a_site_that_is_ready(vadose: Any, site: Path) -> None:
    ended = vadose("doctor", "--local", "--json")
    found = told(ended.out)
    assert ended.code == 0, found
    assert {name: f["verdict"] for name, f in found.items() if f["verdict"] != "pass"} == {
        "weather": "skip",
        "granules": "warn",  # the sample's are of 2024
    }
    assert "simulated" in found["prior"]["told"]
    assert "empty so far" in found["catalogue"]["told"]
    assert not list((site / "published").rglob("*.json")), "the probe leaves nothing"
    shown = vadose("doctor", "--local")
    assert "1 warn" in shown.out
    assert "is the folder still filled?" in " ".join(shown.out.split())


def test_what_is_broken_is_named_with_its_remedy_and_the_rest_goes_on(vadose: Any, site: Path, made: Path) -> None:
    shutil.copytree(made / "model", site / "model")
    (next((site / "model").glob("**/*.ubj"), None) or next((site / "model").rglob("*.json"))).write_bytes(b"{}")
    text = (site / "vadose.toml").read_text().replace(str(made / "model"), "model")
    (site / "vadose.toml").write_text(text.replace(str(made / "sample" / "granules"), "empty"))
    (site / "empty").mkdir()
    ended = vadose("doctor", "--local", "--json")
    found = told(ended.out)
    assert ended.code == 66
    assert "model, granules" in ended.err
    assert (found["model"]["verdict"], found["weather"]["verdict"]) == ("fail", "skip")
    assert "not tried after: model" in found["weather"]["told"]
    assert "disk mounted" in found["granules"]["remedy"]
    assert found["catalogue"]["verdict"] == "pass"


def test_a_bucket_without_conditional_writes_fails(vadose: Any, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with old_store("overwrites") as server:
        for name, value in {"ENDPOINT_URL": server.endpoint, "ALLOW_HTTP": "true", "ACCESS_KEY_ID": "a"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        monkeypatch.setenv("VADOSE_CATALOG", "s3://vadose/doctor")
        ended = vadose("doctor", "--local", "--json")
    assert ended.code == 66
    assert "no conditional writes" in told(ended.out)["catalogue"]["told"]


def _rainy(path: Path, days: list[dt.date]) -> Path:
    """A CF file of a millimetre on each of some days, on quarter degrees around the domain."""
    with netCDF4.Dataset(path, "w") as data:
        for name, values in (("lat", 33.5 + 0.25 * np.arange(8)), ("lon", -96.0 + 0.25 * np.arange(10))):
            data.createDimension(name, values.size)
            data.createVariable(name, "f8", (name,))[:] = values
        data.createDimension("time", len(days))
        time = data.createVariable("time", "f8", ("time",))
        time.units = "days since 2015-01-01"
        time[:] = [(day - dt.date(2015, 1, 1)).days for day in days]
        rain = data.createVariable("pr", "f4", ("time", "lat", "lon"))
        rain.units, rain[:] = "mm day-1", 1.0
    return path


def test_how_late_the_weather_is(tmp_path: Path) -> None:
    today, store = dt.datetime.now(dt.UTC).date(), tmp_path / "weather"
    settings = Settings(domain=DOMAIN, weather=store, look_back=14)
    assert inputs.weather(Settings(domain=DOMAIN)).verdict == "skip"
    build_weather(store, product.domain(DOMAIN))
    empty = inputs.weather(settings)
    assert (empty.verdict, "empty" in empty.told) == ("warn", True)

    def extended(*ages: int) -> Answer:
        source = open_weather_source("netcdf", _rainy(tmp_path / "d.nc", [today - dt.timedelta(days=n) for n in ages]))
        add_days(store, source, source.days)
        source.close()
        return inputs.weather(settings)

    late = extended(21, 20)
    assert (late.verdict, "20 days ago" in late.told) == ("warn", True)
    assert "vadose weather extend" in late.remedy
    holed = extended(18, 3)
    assert (holed.verdict, "15 days missing" in holed.told) == ("warn", True)
    whole = extended(*range(4, 20))
    assert whole.verdict == "pass", whole.told
    assert f"weather until {today - dt.timedelta(days=3)}, 3 days ago" in whole.told
    shutil.rmtree(store / "days")
    (store / "days").mkdir()
    (store / "days" / "x.json").write_text("{")
    broken = examine("weather", lambda: inputs.weather(settings))
    assert (broken.verdict, "damaged" in broken.told) == ("fail", True)


def test_memory_is_asked_for_once_a_worker() -> None:
    assert machine.memory(Settings(domain="little-washita")).verdict == "pass"
    hungry = machine.memory(Settings(domain="conus", workers=256))
    assert hungry.verdict == "fail"
    assert "lower `workers`" in hungry.remedy


def test_disk_counts_in_days(tmp_path: Path) -> None:
    settings = Settings(domain="little-washita", catalog=str(tmp_path / "not" / "yet"), granules=tmp_path)
    answer = machine.disk(settings)
    assert answer.verdict == "pass"
    days = int(answer.told.split(" free, ")[1].split()[0])
    free = shutil.disk_usage(tmp_path).free
    assert days == pytest.approx(free / (machine._STORED * machine.cells(settings)), rel=0.01)


def test_what_is_installed_is_what_is_declared() -> None:
    answer = machine.versions()
    assert answer.verdict == "pass", answer.told
    assert "prefect 3." in answer.told


def test_a_clock_that_is_off_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    offsets = iter((2, 100, 1000))

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(200)
            moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=next(offsets))
            self.send_header("Date", moment.strftime("%a, %d %b %Y %H:%M:%S GMT"))
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        found = [machine.clock(f"http://127.0.0.1:{server.server_port}/", 10).verdict for _ in range(3)]
        server.shutdown()
        thread.join()
    assert found == ["pass", "warn", "fail"]


def test_checks_in_turn_stop_at_the_first_that_fails_or_is_left_out() -> None:
    def broken() -> Any:
        raise RuntimeError("no such thing")

    found = list(in_turn(("a", lambda: warned("so so", "mend")), ("b", broken), ("c", lambda: passed("never"))))
    assert [(f.check, f.verdict) for f in found] == [("a", "warn"), ("b", "fail"), ("c", "skip")]
    assert "RuntimeError: no such thing" in found[1].told
    with pytest.raises(DoctorError, match="1 of 3 checks failed") as raised:
        require_well(found)
    assert raised.value.exit_code == 66
    require_well([examine("x", lambda: skipped("none")), Finding(check="y", verdict="warn", told="")])


def test_a_credential_in_an_error_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VADOSE_PGSTAC_DSN", "postgresql://vadose:cAnArY-dsn@127.0.0.1:9/none")
    finding = examine("pgstac", pgstac)
    assert finding.verdict == "fail"
    assert "cAnArY" not in finding.told


def test_without_settings_it_says_what_to_build(vadose: Any, tmp_path: Path) -> None:
    ended = vadose("doctor", "--local", "--json")
    found = told(ended.out)
    assert ended.code == 66
    assert "vadose prior build" in found["settings"]["remedy"]
    assert load_settings().prior is None
