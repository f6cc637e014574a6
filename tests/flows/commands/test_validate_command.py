"""``vadose validate`` on a published sample whose truth is known, at a dense network of biased places."""

import datetime as dt
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pyproj import Transformer

from catalog import items, validate_catalog
from catalog.publish.withdraw import withdraw
from catalog.reading.points import published_days
from catalog.reading.rasters import read_rasters
from downscaler import product
from downscaler.ground.grid import CRS, M01
from downscaler.simulation.files.stations import Series, Station, write_archive
from downscaler.simulation.sample import write_sample
from downscaler.sources.smap import read_day
from downscaler.stores.prior.points import ground_at, ground_sample
from downscaler.validation.matchups import retrievals_at
from downscaler.validation.representativeness import represent
from flows.day.jobs import DayJob
from flows.days.run import run_days
from flows.server.daily import daily, validate

pytestmark = pytest.mark.integration
WHERE = "-98.4,34.3,-97.9,35.0"
START, DAYS, SITES, LAYOUTS = dt.date(2024, 5, 20), 14, 150, 24


@dataclass(frozen=True)
class Known:
    """A catalogue of a domain, its truth [days, y, x] on the published days, and stations that read it."""

    catalog: Path
    prior: Path
    model: Path
    stations: Path
    granules: Path
    domain: object
    dates: list[dt.date]
    truth: np.ndarray
    published: np.ndarray
    height: np.ndarray


@pytest.fixture(scope="module")
def known(chain, tmp_path_factory) -> Known:
    folder = tmp_path_factory.mktemp("validate")
    domain = product.domain(WHERE)
    assert domain.m36 == chain.domain.m36
    sample = write_sample(folder / "sample", domain, days=DAYS, start=START, seed=3, history=0)
    job = DayJob(
        domain=WHERE,
        prior=chain.prior.path,
        model=chain.model_folder,
        catalog=str(folder / "catalog"),
        folder=sample.granules,
    )
    run_days([START + dt.timedelta(days=n) for n in range(DAYS)], job)
    dates = [day.date for day in published_days(folder / "catalog", domain)]
    with xr.open_dataset(sample.truth / "truth.nc") as file:
        truth = file["soil_moisture"].sel(time=np.array(dates, "datetime64[ns]")).values.astype(float)
    published = np.stack(
        [read_rasters(job.catalog, domain, date, ("soil_moisture",))["soil_moisture"] for date in dates]
    ).astype(float)
    window = domain.window()
    height = chain.prior.window(domain, window.relative_to(window))["elevation"].values
    made = Known(
        catalog=folder / "catalog",
        prior=chain.prior.path,
        model=chain.model_folder,
        stations=folder / "stations.zip",
        granules=sample.granules,
        domain=domain,
        dates=dates,
        truth=truth,
        published=published,
        height=height,
    )
    write_stations(made.stations, made, choose(made, seed=0))
    return made


def choose(known: Known, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells of stations: nearly all in the lower half of the ground, as real networks stand, few above it."""
    land = np.isfinite(known.published).sum(axis=0) >= 5
    chance = np.where(land, np.where(known.height < np.nanmedian(known.height), 1.0, 0.12), 0.0).ravel()
    random = np.random.default_rng(seed)
    chosen = random.choice(chance.size, SITES, replace=False, p=chance / chance.sum())
    return np.unravel_index(np.sort(chosen), land.shape)


def write_stations(path: Path, known: Known, cells: tuple[np.ndarray, np.ndarray], sites: int = SITES) -> None:
    """An ISMN archive of eight networks that read the truth of their cells with a little noise, at 12 UTC."""
    random = np.random.default_rng(1)
    box = known.domain.geobox()
    x, y = box.transform.c + (cells[1] + 0.5) * M01.cell, box.transform.f - (cells[0] + 0.5) * M01.cell
    lon, lat = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(x, y)
    times = np.array(known.dates, dtype="datetime64[h]") + np.timedelta64(12, "h")
    series = []
    for number in range(sites):
        station = Station(
            network=f"NET-{number % 8}",
            name=f"S{number:03d}",
            latitude=lat[number],
            longitude=lon[number],
            elevation=100.0,
            land_cover="cropland",
            saturation=0.45,
            clay=0.2,
            sand=0.4,
        )
        values = known.truth[:, cells[0][number], cells[1][number]] + 0.006 * random.standard_normal(len(times))
        flags = ["G"] * len(times)
        series.append(
            Series(station=station, depth=0.05, sensor="Probe", times=times, values=np.maximum(values, 0), flags=flags)
        )
    write_archive(path, series)


@pytest.fixture(scope="module")
def validated(known, tmp_path_factory):
    """The command run once on all of it: how it ended, its folder and the catalogue it published to."""
    import subprocess
    import sys

    work = tmp_path_factory.mktemp("run")
    catalog = shutil.copytree(known.catalog, work / "published")
    options = ["--stations", known.stations, "--catalog", catalog, f"--domain={WHERE}", "--prior", known.prior]
    line = [sys.executable, "-m", "flows.cli", "validate", *options, "--min-pairs", 5, "--window", 6]
    line += ["--compare", known.catalog]
    done = subprocess.run(list(map(str, line)), cwd=work, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, work / "build" / "validation", catalog


def document_of(folder: Path) -> dict:
    return json.loads((folder / "validation.json").read_text())


def test_the_estimated_gain_agrees_with_the_true_gain_at_the_stations(validated, known):
    """The same paired differences against the truth instead of the readings, at the same cells and days."""
    _, folder, _ = validated
    pairs, sites = pd.read_parquet(folder / "pairs.parquet"), pd.read_parquet(folder / "sites.parquet")
    pairs = pairs.merge(sites[["network", "station", "row", "column", "pairs"]], on=["network", "station"])
    at = [known.dates.index(date.date()) for date in pairs["date"]]
    truth = known.truth[at, pairs["row"], pairs["column"]]
    assert np.abs(truth - pairs["in_situ"]).mean() < 0.01
    gains = document_of(folder)["gains"]
    for rival in ("smap", "prior"):
        squares = {name: (pairs[name] - truth) ** 2 for name in ("product", rival)}
        rmsd = {name: np.sqrt(s.groupby(pairs["station"]).mean()) for name, s in squares.items()}
        true = float((rmsd[rival] - rmsd["product"]).mean())
        entry = gains[rival]["rmsd"]
        assert entry["low"] < true < entry["high"]
        assert entry["value"] == pytest.approx(true, abs=0.002)
    assert gains["smap"]["rmsd"]["low"] > 0  # the downscaling helps, and it is shown


def test_reweighted_skill_is_nearer_to_that_of_the_domain(known, chain):
    """Over many layouts with the same bias: RMSD of the product at stations, plain and reweighted, and everywhere."""
    error = known.published - known.truth
    land = np.isfinite(error).sum(axis=0) >= 5
    count = np.maximum(np.isfinite(error).sum(axis=0), 1)
    rmsd = np.where(land, np.sqrt(np.nansum(error**2, axis=0) / count), np.nan)
    everywhere = rmsd[land].mean()
    domain = ground_sample(chain.prior, known.domain)
    plain, reweighted = [], []
    for seed in range(LAYOUTS):
        rows, columns = choose(known, seed)
        found = represent(ground_at(chain.prior, known.domain, rows, columns), domain, rows // 36 * 10 + columns // 36)
        plain.append(rmsd[rows, columns].mean() - everywhere)
        reweighted.append(np.average(rmsd[rows, columns], weights=found.weights) - everywhere)
    print(everywhere, np.mean(plain), np.mean(reweighted))
    assert abs(np.mean(reweighted)) < 0.5 * abs(np.mean(plain))
    assert np.mean(np.abs(reweighted)) < np.mean(np.abs(plain))


def test_smap_is_the_retrieval_of_the_granules(validated, known):
    _, folder, _ = validated
    pairs = pd.read_parquet(folder / "pairs.parquet")
    for date, of_day in pairs.groupby("date"):
        name = f"SMAP_L3_SM_P_E_{date:%Y%m%d}"
        day = read_day(list(known.granules.glob(f"{name}*.h5")), known.domain)
        seen = retrievals_at(day, of_day["lon"], of_day["lat"])
        assert seen["recommended"].all()
        np.testing.assert_allclose(of_day["smap"], seen["soil_moisture"], atol=1e-4)


def test_the_report_the_tables_and_the_words(validated, known):
    out, folder, _ = validated
    document = document_of(folder)
    assert document["sites"] == document["stations"] == SITES - document["sites_with_too_few_pairs"] > 0.9 * SITES
    assert len(document["networks"]) == 8
    assert document["interval"]["method"].endswith("whole networks")
    assert document["simulated"] is True
    assert set(document["strata"]) == {
        "network",
        "land cover",
        "texture",
        "station density",
        "season",
        "area of applicability",
    }
    ground = document["representativeness"]
    assert 0 < ground["share_of_domain"] <= 1
    assert ground["plain"]["estimates"]["product"]["rmsd"] != ground["reweighted"]["estimates"]["product"]["rmsd"]
    assert "three sources" in document["triple_collocation"]["refused"]
    (same,) = document["comparison"].values()
    assert same["gains"]["rmsd"] == {"value": 0.0, "low": 0.0, "high": 0.0}  # the catalogue against its own copy
    assert "over SMAP" in out
    assert "reweighted to the domain" in out
    page = (folder / "report.html").read_text()
    assert "SIMULATED SAMPLE" in page
    assert 'src="http' not in page
    assert "<script" not in page
    readings = pd.read_parquet(folder / "readings.parquet")
    assert len(readings) == SITES * len(known.dates)


def test_the_catalogue_tells_the_headline_and_stays_valid(validated):
    _, folder, catalog = validated
    keys = validate_catalog(catalog)
    domain = product.domain(WHERE)
    below = f"vadose-validation/vadose-validation_{domain.name}"
    assert f"{below}/vadose-validation_{domain.name}.json" in keys
    item = json.loads((catalog / below / f"vadose-validation_{domain.name}.json").read_text())
    assert set(item["assets"]) == {"report", "figures", "sites", "thumbnail"}
    assert not list(catalog.rglob("readings.parquet"))  # networks do not allow it
    assert not list(catalog.rglob("pairs.parquet"))
    collection = json.loads((catalog / f"vadose-sm-1km_{domain.name}" / "collection.json").read_text())
    told = collection["vadose:validation"]
    assert told["gains"]["smap"]["rmsd"] == document_of(folder)["gains"]["smap"]["rmsd"]
    assert all(document["collection"].startswith("vadose-sm-1km") for document in items(catalog))


def test_again_changes_nothing_and_a_new_day_keeps_what_was_told(validated, known, vadose, tmp_path):
    _, folder, catalog = validated
    before = {p: p.read_bytes() for p in catalog.rglob("*") if p.is_file()}
    options = ["--stations", folder / "readings.parquet", "--catalog", catalog, f"--domain={WHERE}"]
    options += ["--prior", known.prior, "--min-pairs", 5, "--window", 6, "--compare", known.catalog]
    assert vadose("validate", *options, "--out", tmp_path / "again").code == 0
    after = {p: p.read_bytes() for p in catalog.rglob("*") if p.is_file()}
    changed = {p.relative_to(catalog).as_posix() for p, content in after.items() if before.get(p) != content}
    assert all("vadose-validation" in name or name.endswith("collection.json") for name in changed)
    assert vadose("validate", *options, "--out", tmp_path / "again").code == 0
    assert after == {p: p.read_bytes() for p in catalog.rglob("*") if p.is_file()}


def test_other_products_that_xarray_opens(known, validated, vadose, tmp_path):
    """The truth itself as a rival: nothing beats it. Our own rasters under other names: they differ in nothing."""
    (tmp_path / "copy").mkdir()
    for day in published_days(known.catalog, known.domain):
        shutil.copy(known.catalog / day.keys["soil_moisture"], tmp_path / "copy" / f"copy_{day.date:%Y%m%d}.tif")
    box = known.domain.geobox()
    x = box.transform.c + (np.arange(known.truth.shape[2]) + 0.5) * M01.cell
    y = box.transform.f - (np.arange(known.truth.shape[1]) + 0.5) * M01.cell
    rival = xr.Dataset(
        {"sm": (("time", "y", "x"), known.truth, {"units": "m3 m-3", "crs": CRS})},
        coords={"time": np.array(known.dates, "datetime64[ns]"), "y": y, "x": x},
    )
    rival.to_netcdf(tmp_path / "rival.nc")
    stations = validated[1] / "readings.parquet"
    options = ["--stations", stations, "--catalog", known.catalog, f"--domain={WHERE}", "--no-publish"]
    options += ["--compare", tmp_path / "rival.nc", "--compare", tmp_path / "copy"]
    ended = vadose("validate", *options, "--min-pairs", 5, "--window", 6)
    assert ended.code == 0, ended.err
    document = document_of(tmp_path / "build" / "validation")
    gain = document["comparison"]["rival"]["gains"]["rmsd"]
    assert gain["high"] < -0.01
    assert document["comparison"]["rival"]["estimates"]["rival"]["rmsd"]["value"] == pytest.approx(0.006, abs=0.001)
    copy = document["comparison"]["copy"]
    assert copy["pairs"] == document["pairs"]
    assert copy["gains"]["rmsd"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert document["representativeness"]["refused"].startswith("no prior")
    assert "prior" not in document["gains"]


@pytest.fixture(scope="module")
def few(known, tmp_path_factory) -> Path:
    """The archive's first eight stations: what is refused needs no more."""
    path = tmp_path_factory.mktemp("few") / "stations.zip"
    write_stations(path, known, choose(known, seed=0), sites=8)
    return path


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 3, "No station data"),
        (["--stations", "nowhere.zip"], 50, "not found"),
        (["--stations", "{stations}", "--start", "2016-01-01", "--end", "2016-02-01"], 52, "2016-01-01 to 2016-02-01"),
        (["--stations", "{stations}", "--end", "2016-02-01"], 52, "up to 2016-02-01"),
        (["--stations", "{stations}", "--start", "9999-01-01"], 6, "in the future"),
        (["--stations", "{stations}", "--start", "2024-06-01", "--end", "2024-05-01"], 6, "ends before"),
        (["--stations", "{stations}"], 52, "20 or more at one site"),
        (["--stations", "{stations}", "--depth", "0.01"], 52, "No sensor can be used"),
        (["--stations", "{stations}", "--third", "x.nc", "--third-inputs", "SMAP"], 53, "both made from SMAP"),
        (["--stations", "{stations}", "--third", "x.nc"], 53, "are not stated"),
        (["--stations", "{stations}", "--min-pairs", "5", "--compare", "x.nc"], 54, "is missing"),
    ],
)
def test_bad_requests_end_with_their_own_codes(known, few, vadose, options, code, said):
    given = [str(option).format(stations=few) for option in options]
    ended = vadose("validate", *given, "--catalog", known.catalog, f"--domain={WHERE}", "--no-publish", "--window", 6)
    assert ended.code == code, ended.err
    assert said in ended.err


def test_the_flows_validate_what_is_published(server, vadose, known, tmp_path):
    """The flow ``validate``, then the step of the daily flow after a day that is published anew."""
    shutil.copytree(known.catalog, tmp_path / "catalog")
    config = tmp_path / "vadose.toml"
    config.write_text(
        f'domain = "{WHERE}"\nprior = "{known.prior}"\nmodel = "{known.model}"\ncatalog = "catalog"\n'
        f'granules = "{known.granules}"\nstations = ["{known.stations}"]\nvalidation_pairs = 5\n'
        'products = ["conserving"]\n'
    )
    report = Path("build/validation/report.html")
    address = validate(known.dates[0], known.dates[-1])
    assert report.is_file()
    before = document_of(report.parent)
    (item,) = (tmp_path / "catalog" / "vadose-validation").glob("*/vadose-validation*.json")
    assert address.endswith(item.relative_to(tmp_path).as_posix())
    report.unlink()
    last = dt.date.fromisoformat(before["period"][1])
    withdraw(tmp_path / "catalog", product.domain(WHERE), last, "to be published anew")
    (made,) = daily(last, force=True)
    assert made.status == "published"
    assert report.is_file()
    after = document_of(report.parent)
    assert [after[name] for name in ("period", "pairs")] == [before[name] for name in ("period", "pairs")]
    domain = product.domain(WHERE)
    collection = json.loads((tmp_path / "catalog" / f"vadose-sm-1km_{domain.name}" / "collection.json").read_text())
    assert collection["vadose:validation"]["gains"]["smap"]["rmsd"] == after["gains"]["smap"]["rmsd"]
    assert item.relative_to(tmp_path / "catalog").as_posix() in validate_catalog(tmp_path / "catalog")
