"""Coasts and borders of the map: from installed packages, or from what `make browser` wrote."""

import json
from pathlib import Path

import pytest

from catalog.api.boundaries import FILE, boundaries


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
