"""Alerts: crossings by hand, rules of every kind of fault, and what days that change do to alerts that were told."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from publishing import PLACE, publish_day

from catalog.check.check import check
from catalog.publish.alerts import FEED, atom
from catalog.publish.withdraw import withdraw
from catalog.reading.rasters import read_rasters
from downscaler import product
from downscaler.derived.alerts import Threshold, crossings
from downscaler.derived.zones import zone_weights
from downscaler.errors import AlertError, DomainError
from downscaler.ground.grid import M01, LonLat
from flows.alerts.rules import read_rules
from flows.alerts.run import run_alerts
from flows.settings import Settings

DAYS = [dt.date(2024, 5, 1) + dt.timedelta(days=n) for n in range(5)]
SPOT = LonLat(lon=-98.1, lat=34.75)
RULE = '[[alert]]\nname = "spot"\nof = "analysis"\nplace = [-98.1, 34.75]\n'


@given(values=st.lists(st.sampled_from([0.1, 0.3, float("nan")]), max_size=12), before=st.booleans())
def test_crossings_are_where_the_state_changes(values: list[float], before: bool) -> None:
    dates = [dt.date(2024, 1, 1) + dt.timedelta(days=n) for n in range(len(values))]
    found, beyond = crossings(dates, values, Threshold(below=0.2), before=before)
    states = [(date, value < 0.2) for date, value in zip(dates, values, strict=True) if np.isfinite(value)]
    past = [before, *(state for _, state in states)]
    expected = [(date, state) for (date, state), last in zip(states, past, strict=False) if state != last]
    assert [(one.date, one.began) for one in found] == expected
    assert beyond == past[-1]


def test_rules_say_what_is_wrong_with_them(tmp_path: Path) -> None:
    file = tmp_path / "alerts.toml"
    for text, told in {
        "": "has no rules",
        "[[alert]]\nname = 'A b'": "needs a name",
        f"{RULE}below = 0.2\nabove = 0.3": "threshold",
        RULE: "threshold",
        f"{RULE}below = nan": "NaN",
        f"{RULE}above = inf": "infinity",
        f"{RULE}above = true": "threshold",
        f"{RULE}below = 20": "no value reaches",  # per cent, of a fraction
        RULE.replace("[-98.1, 34.75]", "[true, false]") + "below = 0.2": "place is none",
        f"{RULE}below = 0.2\nbelo = 1": "unknown key",
        RULE.replace("name", "nmae") + "below = 0.2": "unknown key. Got: nmae",
        f"{RULE}below = 0.2\nvariable = 'percentile'": "no such variable",
        f"{RULE}below = 0.2\nwebhook = 'ftp://x'": "webhook is no address",
        RULE.replace("[-98.1, 34.75]", "[34.75]") + "below = 0.2": "place is none",
        RULE.replace('"analysis"', '"hourly"') + "below = 0.2": "unknown kind",
        f"{RULE}below = 0.2\n{RULE}below = 0.3": "one name",
        "[[alert": "cannot be read",
    }.items():
        file.write_text(text)
        with pytest.raises(AlertError, match=told):
            read_rules(file)


def test_a_county_that_a_package_brings_is_a_place(tmp_path: Path) -> None:
    pytest.importorskip("bokeh_sampledata", reason="needs the extra `places`")
    file = tmp_path / "alerts.toml"
    file.write_text('[[alert]]\nname = "caddo"\nzones = "counties"\nid = "40015"\nbelow = 20\n')
    (rule,) = read_rules(file)
    assert rule.called == "Caddo County, Oklahoma"
    assert rule.where.contains(shapely.Point(-98.37, 35.17))
    file.write_text(file.read_text().replace("40015", "99999"))
    with pytest.raises(AlertError, match="no such zone"):
        read_rules(file)


class Listener(ThreadingHTTPServer):
    """Takes what is posted; refuses while ``refusing``."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, object]]] = []
        self.refusing = False
        super().__init__(("127.0.0.1", 0), Taking)


class Taking(BaseHTTPRequestHandler):
    server: Listener

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.server.refusing:
            self.server.taken.append((self.headers["Idempotency-Key"], body))
        self.send_response(503 if self.server.refusing else 204)
        self.end_headers()


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_alerts_follow_their_days_and_are_told_once(tmp_path: Path, listener: Listener) -> None:
    root, analyses = tmp_path / "catalog", product.analysis_of(PLACE)
    for date in DAYS[:4]:
        publish_day(root, date, analyses)
    cell = M01.cell_at(SPOT)
    row, column = cell.y - PLACE.window().rows.start, cell.x - PLACE.window().columns.start

    def value(date: dt.date) -> float:
        return float(read_rasters(root, analyses, date, ["soil_moisture"])["soil_moisture"][row, column])

    values = [value(date) for date in DAYS[:4]]
    threshold = round(float(np.sort(values)[1] + np.sort(values)[2]) / 2, 4)  # two days are below, two are not
    file = tmp_path / "alerts.toml"
    secret = "services-B0T4x7"
    file.write_text(f'{RULE}below = {threshold}\nwebhook = "http://127.0.0.1:{listener.server_port}/{secret}"\n')
    settings = Settings(catalog=str(root), domain=PLACE.name, catalog_url="https://sm.example/catalog")
    rules = read_rules(file)
    expected, _ = crossings(DAYS[:4], values, Threshold(below=threshold))
    listener.refusing = True
    with pytest.raises(AlertError, match="next run tries again") as caught:
        run_alerts(settings, rules)
    assert "127.0.0.1 HTTPStatusError 5" in str(caught.value)
    assert secret not in str(caught.value), "an address may hold a credential"
    listener.refusing = False
    (told,) = run_alerts(settings, rules)
    assert (told.events, told.read) == ((), 0), "they were written before; they are told now"
    assert [(body["date"], body["began"]) for _, body in listener.taken] == [
        (str(one.date), one.began) for one in expected
    ]
    first = listener.taken[0][1]
    assert first["value"] == pytest.approx(value(expected[0].date), abs=1e-5)
    assert first["interval"][0] < first["value"] < first["interval"][1]
    assert first["link"].startswith("https://sm.example/catalog/vadose-sm-1km-analysis_little-washita/2024/05/")
    assert (root / first["link"].removeprefix("https://sm.example/catalog/")).is_file()
    before, feed = list(listener.taken), (root / FEED).read_bytes()
    run_alerts(settings, rules)
    assert (listener.taken, (root / FEED).read_bytes()) == (before, feed), "nothing is told twice"

    began = expected[0].date
    seed = next(n for n in range(1, 99) if _flips(root, analyses, began, n, row, column, threshold))
    (told,) = run_alerts(settings, rules)
    assert told.read == 1, "only the day that changed is read"
    changed = {(event["date"], event["standing"]) for event in told.events}
    assert (str(began), False) in changed
    assert (str(began), False) in {(body["date"], body["standing"]) for _, body in listener.taken[len(before) :]}
    keys = [key for key, _ in listener.taken]
    assert len(set(keys)) == len(keys)
    withdraw(root, analyses, DAYS[3], "A fault.")
    publish_day(root, DAYS[4], analyses)
    (told,) = run_alerts(settings, rules)
    assert told.read == 1
    assert all(event["date"] >= str(DAYS[3]) for event in told.events), "days before stand"
    assert [finding for finding in check(root).findings if finding.fault] == []
    assert [event["date"] for event in told.events] == sorted(event["date"] for event in told.events)
    atoms = ElementTree.fromstring((root / FEED).read_bytes())
    titles = [str(entry.findtext("{*}title")) for entry in atoms.iterfind("{*}entry")]
    times = [str(entry.findtext("{*}updated")) for entry in atoms.iterfind("{*}entry")]
    told_of = [(time, title[-10:]) for time, title in zip(times, titles, strict=True)]
    assert told_of == sorted(told_of, reverse=True), "the newest day first"
    names = {"a": "http://www.w3.org/2005/Atom"}
    entries = atoms.findall("a:entry", names)
    ids = [entry.findtext("a:id", "", names) for entry in entries]
    assert len(set(ids)) == len(ids) >= len(expected)
    times = [entry.findtext("a:updated", "", names) for entry in entries]
    assert times == sorted(times, reverse=True)
    assert atoms.findtext("a:updated", "", names) == times[0]
    assert any(entry.findtext("a:title", "", names).startswith("Taken back: ") for entry in entries)
    assert seed


def _flips(root: Path, domain: object, date: dt.date, seed: int, row: int, column: int, threshold: float) -> bool:
    """Publish a day again from a seed whose value lies on the other side; False where it does not."""
    from publishing import day_fields

    value = day_fields(domain, date, seed)["soil_moisture"][row, column]
    if not np.isfinite(value) or value < threshold + 0.001:
        return False
    publish_day(root, date, domain, seed=seed)
    return True


def test_a_zone_has_the_mean_of_its_cells(tmp_path: Path, vadose: Any) -> None:
    pytest.importorskip("exactextract", reason="zones need exactextract")
    root = tmp_path / "catalog"
    publish_day(root, DAYS[0])
    square = shapely.geometry.mapping(shapely.box(-98.2, 34.7, -98.0, 34.9))
    feature = {"type": "Feature", "properties": {"id": "7"}, "geometry": square}
    (tmp_path / "fields.geojson").write_text(json.dumps(feature))
    file = tmp_path / "alerts.toml"
    rule = '[[alert]]\nname = "field"\nof = "conserving"\nzones = "fields.geojson"\nid = "{}"\nabove = 0.01\n'
    file.write_text(rule.format(7))
    settings = Settings(catalog=str(root), domain=PLACE.name)
    (told,) = run_alerts(settings, read_rules(file))
    (event,) = told.events
    weights = zone_weights([shapely.geometry.shape(square)], PLACE).matrix.toarray()[0].reshape(PLACE.shape())
    field = read_rasters(root, PLACE, DAYS[0], ["soil_moisture"])["soil_moisture"].astype(float)
    known = np.isfinite(field)
    assert event["value"] == pytest.approx((weights[known] * field[known]).sum() / weights[known].sum(), abs=1e-5)
    assert event["title"].startswith("7: ")
    assert vadose("alerts", file, "--out", root, "--domain", PLACE.name).code == 0
    unwatched = vadose("alerts", file, "--out", root, "--domain", "demo")
    assert "no day of its kind and domain is published yet" in unwatched.out
    nowhere = vadose("alerts", file, "--out", tmp_path / "catalgo", "--domain", PLACE.name)
    assert nowhere.code == 40
    assert "There is no catalogue" in nowhere.err
    assert not (tmp_path / "catalgo").exists()
    file.write_text(rule.format(8))
    with pytest.raises(AlertError, match="no such zone"):
        read_rules(file)
    file.write_text(RULE.replace("-98.1", "-120.0").replace("analysis", "conserving") + "above = 0.1")
    with pytest.raises(DomainError, match="outside the domain"):
        run_alerts(settings, read_rules(file))


def test_an_empty_feed_is_one_too() -> None:
    assert ElementTree.fromstring(atom([], "https://sm.example/")).findtext("{http://www.w3.org/2005/Atom}updated")
