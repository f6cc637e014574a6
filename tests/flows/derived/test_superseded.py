"""A day that is superseded: exactly the composites, percentiles, zones and alerts that held it are made again."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from layered import write_layers
from once import built_once
from publishing import day_fields, publish_day

from downscaler import product
from downscaler.errors import MissingExtraError
from downscaler.ground.grid import M01, Domain, LonLat
from downscaler.ground.periods import first_day
from downscaler.sources import us_places
from downscaler.sources.parflow import open_source
from downscaler.stores.prior import build_prior
from downscaler.stores.zones import read_zone
from flows.alerts.run import alerts_after
from flows.derived.make import keep_in_step
from flows.derived.series import layer_named
from flows.settings import Settings

pytest.importorskip("exactextract", reason="zones need exactextract")
PLACE, TODAY = "-94.75,34.4,-94.7,34.45", dt.date(2024, 7, 1)
DAYS = [dt.date(2024, 5, 20) + dt.timedelta(days=n) for n in (0, 1, 8, 30)]
LATE = DAYS[1]  # the last day is too late to look back on it
SPOT = LonLat(lon=-94.72, lat=34.42)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    ground = product.domain(PLACE)

    def build(folder: Path) -> None:
        source = open_source("netcdf", write_layers(folder / "daily.nc", ground, days=90, start="2024-04-10"))
        build_prior(source, ground, folder / "prior")
        source.close()
        for date in DAYS:
            publish_day(folder / "catalog", date, product.analysis_of(ground))
        ring = [[-94.75, 34.4], [-94.7, 34.4], [-94.7, 34.45], [-94.75, 34.4]]
        feature = {"type": "Feature", "properties": {"id": "7"}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        (folder / "fields.geojson").write_text(json.dumps(feature))
        rule = f'[[alert]]\nname = "spot"\nof = "analysis"\nplace = [{SPOT.lon}, {SPOT.lat}]\n'
        (folder / "alerts.toml").write_text(f"{rule}above = {between(ground):.4f}\n")

    folder = built_once(tmp_path_factory, "superseded", build)
    return Settings(
        catalog=str(folder / "catalog"),
        domain=PLACE,
        prior=folder / "prior",
        composites=("3day", "weekly"),
        derived=("percentile",),
        zones=(str(folder / "fields.geojson"),),
        zones_folder=folder / "zones",
        alerts=folder / "alerts.toml",
    )


def between(ground: Domain) -> float:
    """A threshold that the day's value and that which supersedes it lie on either side of."""
    cell, whole = M01.cell_at(SPOT), ground.window()
    place = cell.y - whole.rows.start, cell.x - whole.columns.start
    fields = (day_fields(product.analysis_of(ground), LATE, seed)["soil_moisture"] for seed in (0, 1))
    return float(sum(field[place] for field in fields)) / 2


def made(settings: Settings, first: dt.date, last: dt.date) -> set[tuple[str, dt.date]]:
    """What a run makes after days, by kind and first day; nothing may fail."""
    outcomes = keep_in_step(settings, first, last, today=TODAY)
    assert {one.status for one in outcomes} <= {"published"}, outcomes
    return {(one.reason.split(",")[0] if "zones" not in one.reason else one.reason, one.date) for one in outcomes}


def revisions(settings: Settings) -> dict[str, int]:
    found: dict[str, Any] = {}
    for path in Path(settings.catalog).glob("vadose-sm-*/*/*/*/*.json"):
        item = json.loads(path.read_text())
        found[item["id"]] = int(item["properties"]["version"])
    return found


def test_exactly_what_held_the_day_is_made_again(settings: Settings) -> None:
    everything = made(settings, DAYS[0], DAYS[-1])
    of_zones = {one for one in everything if "zones" in one[0]}
    assert of_zones == {(f"series of 1 zones, fields{kind}", day) for kind in ("", "-percentile") for day in DAYS}
    alerts_after(settings)
    assert made(settings, DAYS[0], DAYS[-1]) == set()
    assert sum(len(one.events) for one in alerts_after(settings)) == 0
    before = revisions(settings)
    series = read_zone(settings.zones_folder, "fields", "7").to_pylist()

    publish_day(Path(settings.catalog), LATE, product.analysis_of(product.domain(PLACE)), seed=1)
    again = made(settings, LATE, LATE)
    looking_back = DAYS[1:3]
    expected = {("percentile", day) for day in looking_back}
    expected |= {("series of 1 zones, fields-percentile", day) for day in looking_back}
    expected |= {("series of 1 zones, fields", LATE)}
    expected |= {("3-day mean", first_day("three days", LATE)), ("weekly mean", first_day("week", LATE))}
    assert again == expected
    ground = product.domain(PLACE).name
    names = {f"vadose-sm-1km-percentile_{ground}_{day:%Y%m%d}" for day in looking_back}
    names |= {f"vadose-sm-1km-3day_{ground}_{first_day('three days', LATE):%Y%m%d}"}
    names |= {f"vadose-sm-1km-weekly_{ground}_{first_day('week', LATE):%Y%m%d}"}
    names |= {f"vadose-sm-1km-analysis_{ground}_{LATE:%Y%m%d}"}
    after = revisions(settings)
    assert {name for name in after if after[name] != before.get(name)} == names
    now = read_zone(settings.zones_folder, "fields", "7").to_pylist()
    assert [row["date"] for row, old in zip(now, series, strict=True) if row != old] == [LATE]
    (spot,) = alerts_after(settings)
    assert spot.read == 1, "no other day is read again"
    told = {dt.date.fromisoformat(event["date"]) for event in spot.events}
    assert LATE in told
    assert told <= {LATE, DAYS[2]}, "it crosses the threshold no more, or for the first time: on its day or the next"
    assert made(settings, DAYS[0], DAYS[-1]) == set(), "and nothing else is due"


def test_a_layer_is_a_file_or_one_that_a_package_brings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    if us_places.installed():
        assert len(layer_named("states").zones) == 51
    monkeypatch.setitem(__import__("sys").modules, "bokeh_sampledata", None)
    us_places.us_layer.cache_clear()
    with pytest.raises(MissingExtraError, match="places"):
        layer_named("counties")
    us_places.us_layer.cache_clear()
