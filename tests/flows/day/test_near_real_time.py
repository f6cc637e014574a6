"""The near-real-time stream is taken only when asked for, said in the item, superseded by the standard one alone."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from downscaler import product
from downscaler.ground.grid import M36

DOMAIN = "-94.9,34.3,-94.4,34.6"
DAY = dt.date(2024, 5, 23)
STANDARD = "SMAP_L2_SM_P_49460_D_20240523T113000_R19240_001.h5"
HASTY = "SMAP_L2_SM_P_NRT_49460_D_20240523T113000_N19241_001.h5"


def half_orbit(path: Path, theta: float) -> None:
    """A descending half orbit that sees the whole domain: cells in a row, as level 2 files hold them."""
    window = product.domain(DOMAIN).window(M36)
    rows, columns = (
        a.ravel()
        for a in np.meshgrid(
            np.arange(window.rows.start, window.rows.stop),
            np.arange(window.columns.start, window.columns.stop),
            indexing="ij",
        )
    )
    seconds = (np.datetime64("2024-05-23T12:00:00") - np.datetime64("2000-01-01T11:58:55")) / np.timedelta64(1, "s")
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        group = file.create_group("Soil_Moisture_Retrieval_Data")
        values = theta + 0.01 * (np.arange(rows.size) % 5)
        group["soil_moisture"] = values.astype(np.float32)
        group["soil_moisture"].attrs.update(valid_min=np.float32(0.02), valid_max=np.float32(0.6))
        group["retrieval_qual_flag"] = np.zeros(rows.size, np.uint16)
        group["EASE_row_index"], group["EASE_column_index"] = rows.astype(np.uint16), columns.astype(np.uint16)
        group["tb_time_seconds"] = np.full(rows.size, float(seconds))
        file.create_group("Metadata/DatasetIdentification").attrs["shortName"] = "SPL2SMP"  # whatever it says
        file.create_group("Metadata/Extent").attrs.update(
            rangeBeginningDateTime="2024-05-23T11:30:00.000Z", rangeEndingDateTime="2024-05-23T12:23:00.000Z"
        )


@pytest.fixture
def order(vadose: Any, made: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def call(name: str, *arguments: object, hasty: bool) -> Any:
        monkeypatch.setenv("VADOSE_NEAR_REAL_TIME", str(hasty).lower())
        common = (f"--domain={DOMAIN}", "--prior", made / "prior", "--model", made / "model", "--out", "c")
        return vadose(name, *arguments, *common, "--granules", "granules")

    return call


def test_the_streams_never_mix(order: Any, tmp_path: Path) -> None:
    half_orbit(tmp_path / "granules" / HASTY, 0.20)
    ended = order("run", DAY, hasty=False)
    assert ended.code == 11
    ended = order("run", DAY, hasty=True)
    assert "revision 1" in ended.out, ended.err
    (file,) = tmp_path.glob("c/*/*/*/*/*_20240523.json")
    properties = json.loads(file.read_text())["properties"]
    assert "Near-real-time" in properties["title"]
    assert any("Near-real-time" in caveat for caveat in properties["vadose:caveats"])
    assert properties["vadose:inputs"][0]["name"] == HASTY
    half_orbit(tmp_path / "granules" / STANDARD, 0.22)
    assert "current" in order("run", DAY, hasty=True).out  # the standard granule beside it is not looked at
    (state,) = json.loads(order("status", "--until", DAY, "--days", 1, "--json", hasty=False).out)
    assert (state["state"], state["why"]) == ("stale", "granule R19240.001 that came later")
    assert "revision 2" in order("run", DAY, hasty=False).out
    properties = json.loads(file.read_text())["properties"]
    assert "Near-real-time" not in properties["title"]
    assert properties["vadose:inputs"][0]["name"] == STANDARD
    ended = order("run", DAY, hasty=True)
    assert "current" in ended.out
    assert STANDARD in ended.out
    (state,) = json.loads(order("status", "--until", DAY, "--days", 1, "--json", hasty=True).out)
    assert state["state"] == "published"


def test_a_half_orbit_that_came_later_with_nothing_here_is_looked_at_once(order: Any, tmp_path: Path) -> None:
    half_orbit(tmp_path / "granules" / STANDARD, 0.22)
    assert "revision 1" in order("run", DAY, hasty=False).out
    (file,) = tmp_path.glob("c/*/*/*/*/*_20240523.json")
    before = json.loads(file.read_text())
    late = STANDARD.replace("49460_D_20240523T113000", "49461_D_20240523T131000")
    half_orbit(tmp_path / "granules" / late, 0.3)
    with h5py.File(tmp_path / "granules" / late, "r+") as orbit:
        rows = orbit["Soil_Moisture_Retrieval_Data/EASE_row_index"]
        rows[...] = rows[...] - 60  # far in the north

    def standing() -> tuple[str, str]:
        (state,) = json.loads(order("status", "--until", DAY, "--days", 1, "--json", hasty=False).out)
        return state["state"], state["why"]

    assert standing() == ("stale", "granule R19240.001 that came later")
    assert "current" in order("run", DAY, hasty=False).out
    assert standing() == ("published", "")
    after = json.loads(file.read_text())
    assert after["properties"].pop("vadose:granules_considered") == [STANDARD, late]
    assert after["properties"].pop("updated") >= before["properties"].pop("updated")
    before["properties"].pop("vadose:granules_considered")
    assert after == before  # the same revision and files
    content = file.read_bytes()
    assert "current" in order("run", DAY, hasty=False).out
    assert file.read_bytes() == content
