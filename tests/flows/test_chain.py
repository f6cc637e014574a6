"""The whole chain through the command line on a small simulated sample, in native formats from end to end."""

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

DOMAIN = "-94.9,34.3,-94.4,34.6"
START, DAYS = dt.date(2024, 5, 23), 5  # as the fixture ``made``; SMAP misses the 27th


@pytest.fixture
def run(vadose: Any, made: Path, tmp_path: Path) -> Any:
    """``vadose run|backfill ...`` on the sample, publishing in a fresh catalogue."""

    def call(name: str, *arguments: object, granules: Path = made / "sample" / "granules") -> Any:
        common = (f"--domain={DOMAIN}", "--prior", made / "prior", "--model", made / "model", "--out", tmp_path / "c")
        return vadose(name, *arguments, *common, "--granules", granules)

    return call


def item_of(catalog: Path, date: dt.date) -> dict[str, Any]:
    (file,) = catalog.glob(f"*/{date:%Y}/{date:%m}/*{date:%Y%m%d}/*{date:%Y%m%d}.json")
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


def test_stages_leave_native_files_and_a_training_report(made: Path) -> None:
    assert len(list((made / "sample" / "granules").glob("*.h5"))) == DAYS
    assert (made / "sample" / "prior" / "prior.toml").is_file()
    report = json.loads((made / "training.json").read_text(encoding="utf-8"))
    assert report["simulated"] is True
    assert report["options"]["rounds"] == 20
    assert all(branch["rmse"]["hybrid"] < branch["rmse"]["nearest"] for branch in report["skill"].values())


def test_info_knows_everything_the_chain_made(vadose: Any, made: Path) -> None:
    granule = next((made / "sample" / "granules").glob("*.h5"))
    kinds = {
        granule: "granule",
        made / "prior": "prior",
        made / "model": "model",
        made / "sample" / "stations": "station-archive",
        made / "sample" / "prior" / "daily.nc": "parflow-netcdf",
        next((made / "sample" / "prior").rglob("*.pfb")): "pfb",
    }
    for path, kind in kinds.items():
        ended = vadose("info", path, "--json")
        assert (ended.code, json.loads(ended.out)["kind"]) == (0, kind), ended.err
        assert kind in vadose("info", path).out
    archive = json.loads(vadose("info", made / "sample" / "stations", "--json").out)
    assert archive["stations"] > 0
    assert archive["readings"] > 0


def test_a_day_is_published_once_and_says_what_it_is(vadose: Any, run: Any, tmp_path: Path) -> None:
    ended = run("run", START)
    assert ended.code == 0, ended.err
    assert "published" in ended.out
    again = run("run", START)
    assert "current" in again.out
    assert "already published" in again.out
    item = item_of(tmp_path / "c", START)
    assert item["properties"]["version"] == "1"
    assert "simulated sample" in item["properties"]["title"]
    assert item["properties"]["vadose:simulated"] is True
    assert {link["rel"] for link in item["links"]} >= {"derived_from"}
    (file,) = (tmp_path / "c").rglob(f"*{START:%Y%m%d}.json")
    told = json.loads(vadose("info", file, "--json").out)
    assert (told["kind"], told["valid"], told["checksums_ok"]) == ("item", True, True)
    assert json.loads(vadose("info", tmp_path / "c", "--json").out)["kind"] == "catalog"


def test_block_means_of_the_files_equal_the_granule(run: Any, made: Path, tmp_path: Path) -> None:
    from catalog.reading.rasters import read_rasters
    from downscaler import product
    from downscaler.ground.blocks import block_mean
    from downscaler.sources.smap import find_granules, read_day
    from downscaler.stores.prior import open_prior

    run("run", START)
    domain = product.domain(DOMAIN)
    stored = read_rasters(tmp_path / "c", domain, START, ["soil_moisture", "quality_flag"])
    day = read_day(find_granules(made / "sample" / "granules", START), domain)
    kept = np.where(day.data["recommended"].values, day.data["soil_moisture"].values, np.nan)
    active = open_prior(made / "prior").data["active"].values.astype(bool)
    theta = stored["soil_moisture"].astype(np.float64)
    means = block_mean(np.nan_to_num(theta), active & np.isfinite(theta), 9)
    assert np.array_equal(np.isfinite(means), np.isfinite(kept) & np.isfinite(block_mean(active * 1.0, active, 9)))
    half = (product.SOIL_MOISTURE.precision or 0.0) / 2
    assert np.nanmax(np.abs(means - kept)) <= half
    assert np.array_equal(np.isnan(theta), (stored["quality_flag"] & product.Flag.FILL) > 0)


def test_a_bad_day_stops_no_other(run: Any, made: Path, tmp_path: Path) -> None:
    granules = tmp_path / "granules"
    shutil.copytree(made / "sample" / "granules", granules)
    (broken,) = granules.glob(f"*{START + dt.timedelta(days=1):%Y%m%d}*.h5")
    broken.write_bytes(broken.read_bytes()[:5000])
    end = START + dt.timedelta(days=DAYS - 1)
    ended = run("backfill", START, end, "--workers", 2, granules=granules)
    assert ended.code == 60
    assert "GranuleUnreadableError" in ended.err
    statuses = [line.split()[1] for line in sorted(ended.out.splitlines()) if line.startswith("2024")]
    assert statuses == ["published", "failed", "published", "published", "no-coverage"]
    shutil.copytree(made / "sample" / "granules", granules, dirs_exist_ok=True)
    ended = run("backfill", START, end, granules=granules)
    assert ended.code == 0
    assert "1 published, 3 current, 1 no-coverage" in ended.out


def test_days_without_any_granule_fail_only_when_all_do(run: Any) -> None:
    ended = run("backfill", "2024-05-21", "2024-05-23")
    assert ended.code == 0
    assert "1 published, 2 no-coverage" in ended.out
    ended = run("backfill", "2023-01-01", "2023-01-02")
    assert ended.code == 11
    assert run("run", "2023-01-01").code == 11
    assert run("run", START + dt.timedelta(days=4)).code == 15


def test_a_newer_release_supersedes_and_an_older_one_never_comes_back(run: Any, made: Path, tmp_path: Path) -> None:
    (old,) = (made / "sample" / "granules").glob(f"*{START:%Y%m%d}*.h5")
    new = tmp_path / "new" / old.name.replace("_001.h5", "_002.h5")
    new.parent.mkdir()
    shutil.copy(old, new)
    with h5py.File(new, "r+") as file:
        theta = file["Soil_Moisture_Retrieval_Data_AM/soil_moisture"]
        theta[...] = np.where(theta[...] > 0, theta[...] + np.float32(0.01), theta[...])
    assert "revision 1" in run("run", START).out
    assert "revision 2" in run("run", START, granules=new.parent).out
    held = run("run", START)
    assert "current" in held.out
    assert new.name in held.out
    assert "revision 3" in run("run", START, "--force").out


def test_means_are_checked_before_any_day_is_touched(vadose: Any, made: Path, tmp_path: Path) -> None:
    ours = ("--prior", made / "prior", "--model", made / "model", "--granules", made / "sample" / "granules")
    dates = (START, START + dt.timedelta(days=1))
    assert vadose("backfill", *dates, "--domain", "upper-verde", *ours, "--out", "c").code == 22
    assert vadose("backfill", *dates, "--domain", "nowhere", *ours, "--out", "c").code == 4
    assert vadose("backfill", *dates, f"--domain={DOMAIN}", *ours, "--model", tmp_path, "--out", "c").code == 31
    assert vadose("backfill", *dates, f"--domain={DOMAIN}", *ours, "--prior", tmp_path, "--out", "c").code == 21
    assert not (tmp_path / "c").exists()


def test_a_granule_named_outright_serves_its_own_day_only(run: Any, made: Path) -> None:
    (granule,) = (made / "sample" / "granules").glob(f"*{START:%Y%m%d}*.h5")
    assert run("run", START, "--granule", granule).code == 0
    ended = run("run", START + dt.timedelta(days=1), "--granule", granule)
    assert ended.code == 11
    assert granule.name in ended.err
    assert run("run", START, "--granule", granule.with_name("absent.h5")).code == 11
