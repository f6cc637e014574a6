"""Days without SMAP from SMAP L4: only when set, said in the item and on every pixel, gone once SMAP has a granule."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import rasterio

from downscaler import product
from downscaler.ground.grid import M09
from downscaler.product import Flag

DOMAIN = "-94.9,34.3,-94.4,34.6"
DAY = dt.date(2024, 5, 23)


def level4(folder: Path, date: dt.date, theta: float, hours: int = 8) -> None:
    """The eight fields of a day on the domain."""
    window = product.domain(DOMAIN).window(M09)
    folder.mkdir(exist_ok=True)
    for number in range(hours):
        moment = dt.datetime.combine(date, dt.time(1, 30)) + dt.timedelta(hours=3 * number)
        with h5py.File(folder / f"SMAP_L4_SM_gph_{moment:%Y%m%dT%H%M%S}_Vv7032_001.h5", "w") as file:
            columns = np.arange(window.columns.start, window.columns.stop) + 0.5
            rows = np.arange(window.rows.start, window.rows.stop) + 0.5
            field = np.full((rows.size, columns.size), theta + 0.01 * number, np.float32)
            file["Geophysical_Data/sm_surface"] = field
            file["Geophysical_Data/soil_temp_layer1"] = np.full(field.shape, 295.0, np.float32)
            file["x"] = M09.transform.c + columns * M09.transform.a
            file["y"] = M09.transform.f + rows * M09.transform.e


@pytest.fixture
def order(vadose: Any, made: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def call(name: str, *arguments: object, second: bool = True) -> Any:
        if second:
            monkeypatch.setenv("VADOSE_SECOND_SOURCE", "SPL4SMGP")
        else:
            monkeypatch.delenv("VADOSE_SECOND_SOURCE", raising=False)
        common = (f"--domain={DOMAIN}", "--prior", made / "prior", "--model", made / "model", "--out", "c")
        return vadose(name, *arguments, *common, "--granules", "granules")

    return call


def status(order: Any, *, second: bool = True) -> tuple[str, str]:
    (state,) = json.loads(order("status", "--until", DAY, "--days", 1, "--json", second=second).out)
    return state["state"], state["why"]


def test_a_silent_day_is_made_of_the_model_and_made_anew_of_smap(order: Any, made: Path, tmp_path: Path) -> None:
    level4(tmp_path / "granules", DAY, 0.2)
    assert order("run", DAY, second=False).code == 11  # off by default
    assert status(order, second=False)[0] != "due"
    assert status(order) == ("due", "SMAP is silent; SMAP L4 is available")
    ended = order("run", DAY)
    assert "revision 1" in ended.out, ended.err
    (file,) = tmp_path.glob("c/*/*/*/*/*_20240523.json")
    item = json.loads(file.read_text())
    properties = item["properties"]
    assert any("SPL4SMGP" in caveat for caveat in properties["vadose:caveats"])
    granules = [entry for entry in properties["vadose:inputs"] if entry["kind"] == "granule"]
    assert len(granules) == 8
    told = json.loads(next(file.parent.glob("**/*provenance*.json")).read_text())
    assert told["parameters"]["smap_stream"] == "SPL4SMGP"
    assert {entry["attributes"]["short_name"] for entry in told["inputs"] if entry["kind"] == "granule"} == {"SPL4SMGP"}
    with rasterio.open(next(file.parent.glob("**/*soil_moisture*.tif"))) as raster:
        theta = raster.read(1, masked=True)
    assert abs(float(theta.mean()) - 0.235) < 0.01
    with rasterio.open(next(file.parent.glob("**/*quality_flag*.tif"))) as raster:
        flags = raster.read(1)
    assert (flags[~theta.mask] & Flag.SMAP_L4).all()
    assert status(order) == ("published", "")
    assert "current" in order("run", DAY).out

    (granule,) = (made / "sample" / "granules").glob("SMAP_L3_SM_P_E_20240523_*.h5")
    (tmp_path / "granules" / granule.name).write_bytes(granule.read_bytes())
    assert status(order) == ("stale", "granule R19240.001 that came later")
    assert "revision 2" in order("run", DAY).out
    properties = json.loads(file.read_text())["properties"]
    assert not any("SPL4SMGP" in caveat for caveat in properties["vadose:caveats"])
    assert [e["name"] for e in properties["vadose:inputs"] if e["kind"] == "granule"] == [granule.name]
    assert status(order) == ("published", "")
    (tmp_path / "granules" / granule.name).unlink()
    ended = order("run", DAY)  # the model's day never takes the place of a retrieval
    assert "current" in ended.out
    assert granule.name in ended.out


def test_a_day_without_all_eight_fields_is_not_made(order: Any, tmp_path: Path) -> None:
    level4(tmp_path / "granules", DAY, 0.2, hours=7)
    ended = order("run", DAY)
    assert ended.code == 11, ended.out
    assert not list(tmp_path.glob("c/*/*/*/*/*_20240523.json"))
    ended = order("run", DAY, *(f"--granule={path}" for path in sorted((tmp_path / "granules").iterdir())))
    assert ended.code == 11
    assert "7 of 8 fields" in " ".join(ended.err.split())


def test_a_day_that_smap_saw_without_a_retrieval_is_tried_with_the_model(
    order: Any, made: Path, tmp_path: Path
) -> None:
    (granule,) = (made / "sample" / "granules").glob("SMAP_L3_SM_P_E_20240523_*.h5")
    folder = tmp_path / "granules"
    folder.mkdir()
    (folder / granule.name).write_bytes(granule.read_bytes())
    with h5py.File(folder / granule.name, "r+") as file:
        for half, ending in (("AM", ""), ("PM", "_pm")):
            flags = file[f"Soil_Moisture_Retrieval_Data_{half}/retrieval_qual_flag{ending}"]
            flags[...] = np.where(flags[...] == 65534, 65534, 7)
    assert order("run", DAY).code == 15
    assert status(order)[0] == "no-coverage"
    level4(folder, DAY, 0.25)
    assert status(order)[0] == "due"
    ended = order("run", DAY)
    assert "revision 1" in ended.out, ended.err
    assert status(order) == ("published", "")


def test_it_goes_with_no_smap_climatology(order: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    level4(tmp_path / "granules", DAY, 0.2)
    monkeypatch.setenv("VADOSE_CLIMATOLOGY", "climatology.nc")
    ended = order("run", DAY)
    assert ended.code == 3
    assert "climatology" in ended.err
