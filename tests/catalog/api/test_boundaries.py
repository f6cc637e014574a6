"""Coasts and borders of the map: from installed packages, or from what `make browser` wrote."""

import itertools
import json
from pathlib import Path

import pytest

from catalog.api.boundaries import COUNTIES, FILE, boundaries, counties, places
from downscaler.errors import MissingExtraError
from downscaler.sources import us_places


@pytest.mark.parametrize("browser", [None, Path("absent")])
def test_without_a_build_natural_earth_has_the_coasts(browser: Path | None) -> None:
    land = json.loads(boundaries(browser))["land"]
    points = [tuple(point) for line in land for point in line]
    assert any(lon == pytest.approx(-122.5, abs=2) and lat == pytest.approx(37.7, abs=1) for lon, lat in points)
    assert any(lon == pytest.approx(-80.2, abs=1) and lat == pytest.approx(25.5, abs=1) for lon, lat in points)
    assert all(-180 <= lon <= 180 and -90 <= lat <= 90 for lon, lat in points)
    assert all(line[0] == line[-1] for line in land), "rings are closed"


def test_what_was_built_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"land": []}')
    assert boundaries(tmp_path) == b'{"land": []}'


def test_states_come_with_their_lines_once() -> None:
    pytest.importorskip("bokeh_sampledata", reason="needs the extra `places`")
    told = json.loads(boundaries(None))
    assert told["more"] == COUNTIES
    points = [tuple(point) for line in told["states"] for point in line]
    assert (-109.05, 37.0) in [(round(lon, 2), round(lat, 2)) for lon, lat in points], "where four states meet"
    pairs = [tuple(sorted(map(tuple, ends))) for line in told["states"] for ends in itertools.pairwise(line)]
    assert len(pairs) - len(set(pairs)) < 0.002 * len(pairs), "what two states share is there once"
    assert len(boundaries(None)) < 300_000


def test_counties_are_those_near_what_is_served() -> None:
    pytest.importorskip("bokeh_sampledata", reason="needs the extra `places`")
    points = [point for line in json.loads(counties([(-98.4, 34.6, -97.8, 35.0)]))["counties"] for point in line]
    assert points
    assert all(-101 < lon < -95 and 33 < lat < 37 for lon, lat in points)
    assert json.loads(counties([(0.0, 40.0, 1.0, 41.0)]))["counties"] == []


def test_a_county_is_found_by_name_and_code() -> None:
    pytest.importorskip("bokeh_sampledata", reason="needs the extra `places`")
    told = json.loads(places(None))
    found = {name: box for name, *box in told["places"]}
    assert "Census" in told["source"]
    west, south, east, north = found["Caddo County, Oklahoma, 40015"]
    assert (west, east) == (pytest.approx(-98.62, abs=0.02), pytest.approx(-98.09, abs=0.02))
    assert (south, north) == (pytest.approx(34.85, abs=0.02), pytest.approx(35.55, abs=0.02))
    assert found["Oklahoma"][0] == pytest.approx(-103.0, abs=0.01)
    assert len(found) > 3100 + 51
    layer = us_places.us_layer("counties")
    assert len({zone.id for zone in layer.zones}) == len(layer.zones)
    assert layer.sha256 != us_places.us_layer("states").sha256


def test_without_the_package_there_are_no_states_and_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bokeh_sampledata", None)
    monkeypatch.setattr(us_places, "installed", lambda: False)
    us_places.us_layer.cache_clear()
    with pytest.raises(MissingExtraError, match=r"vadose\[places\]"):
        us_places.us_layer("states")
    assert json.loads(places(None)) == {"source": None, "places": []}
    assert "states" not in json.loads(boundaries(None))
