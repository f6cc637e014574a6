"""Root zones in a catalogue: learned from a prior's layers, their numbers, and which of them a changed day re-makes."""

import datetime as dt
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from layered import write_layers
from once import built_once
from publishing import publish_day
from pyproj import Transformer

from catalog.check.check import check
from catalog.publish.withdraw import withdraw
from catalog.reading.days import find_item, validate_catalog
from catalog.reading.rasters import read_rasters
from downscaler import product
from downscaler.derived.composite import ErrorMemory
from downscaler.derived.learned import learn_root_zone, open_learned, read_learned
from downscaler.derived.profile import available_water, carry_down
from downscaler.derived.rootzone import filters, learn
from downscaler.errors import ConfigError, PriorCoverageError, RootZoneError, ValidationError
from downscaler.ground.grid import CRS, Span, Window
from downscaler.sources.insitu import table
from downscaler.sources.insitu.series import Sensor, Series
from downscaler.sources.parflow import open_source
from downscaler.stores.prior import build_prior, open_prior
from downscaler.stores.prior.points import calendar_at
from flows.derived.make import make_items
from flows.derived.rootzone import READ, RootZoneJob, root_zone_job
from flows.derived.state import survey
from flows.settings import Settings
from flows.studies.deeper import validate_layer
from flows.studies.validation_job import ValidationJob

PLACE = "-94.75,34.4,-94.7,34.45"
DAY, TODAY = dt.date(2024, 5, 20), dt.date(2024, 6, 1)
BEFORE = [DAY - dt.timedelta(days=n) for n in (60, 9, 4, 3, 1)]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> RootZoneJob:
    ground = product.domain(PLACE)

    def build(folder: Path) -> None:
        source = open_source("netcdf", write_layers(folder / "daily.nc", ground))
        prior = build_prior(source, ground, folder / "prior")
        source.close()
        learn_root_zone(prior, folder / "rootzone.h5")
        for date in [*BEFORE, DAY]:
            publish_day(folder / "catalog", date, product.analysis_of(ground))

    folder = built_once(tmp_path_factory, "rootzone", build)
    return RootZoneJob(catalog=str(folder / "catalog"), domain=PLACE, learned=folder / "rootzone.h5", least=4)


def test_a_state_is_what_the_priors_layers_tell(job: RootZoneJob, tmp_path: Path) -> None:
    data = open_prior(job.learned.parent / "prior").data
    ground = product.domain(PLACE)
    whole = Window(rows=Span(start=0, stop=36), columns=Span(start=0, stop=36))
    profile, soil = read_learned(open_learned(job.learned), ground, whole)
    active = data["active"].values.astype(bool)
    surface, layer = (data[name].values.astype(float)[:, active] for name in ("soil_moisture", "soil_moisture_layer3"))
    expected = learn(filters(surface), layer, np.ones(len(layer), bool))
    np.testing.assert_allclose(profile.weights[1][:, active], expected.weights, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(profile.errors[1][active], expected.error, rtol=1e-4)
    assert soil["porosity"][5, 7] == pytest.approx(0.45)
    assert soil["van_genuchten_n"][5, 7] == pytest.approx(1.6)
    first = open_learned(job.learned).record()
    again = learn_root_zone(open_prior(job.learned.parent / "prior"), tmp_path / "again.h5").record()
    assert (first.sha256, first.kind) == (again.sha256, "rootzone")
    assert not list(tmp_path.glob("*.partial"))


def test_root_zones_follow_their_days(job: RootZoneJob) -> None:
    (outcome,) = make_items(job, DAY, DAY, today=TODAY)
    assert (outcome.status, outcome.reason) == ("published", "root zone, revision 1, of 6 days")
    source, days = job.source(), [*sorted(BEFORE), DAY]
    read = [read_rasters(job.catalog, source, date, READ) for date in days]
    theta, sigma = (np.stack([day[name] for day in read]).astype(float) for name in READ[:2])
    whole = Window(rows=Span(start=0, stop=36), columns=Span(start=0, stop=36))
    profile, soil = read_learned(open_learned(job.learned), source, whole)
    times = [day.toordinal() for day in days]
    below = carry_down(theta, sigma, times, profile, ErrorMemory.of(source.name))
    found = read_rasters(job.catalog, job.target, DAY, [v.name for v in product.ROOT_ZONE_VARIABLES])
    known = np.isfinite(below.root)
    assert known.mean() > 0.8
    np.testing.assert_allclose(found["soil_moisture"], below.root, atol=1e-4)
    np.testing.assert_allclose(found["uncertainty"], below.root_sigma, atol=1e-4)
    np.testing.assert_allclose(found["layer3"], below.layers[1], atol=1e-4)
    np.testing.assert_allclose(found["layer2_uncertainty"], below.sigmas[0], atol=1e-4)
    water, share = available_water(below.root, *soil.values())
    np.testing.assert_allclose(found["available_water"], water, atol=0.05)
    np.testing.assert_allclose(found["available_share"], 100 * share, atol=0.05)
    assert (found["lower"][known] <= found["soil_moisture"][known]).all()
    assert (found["quality_flag"][~known] & product.Flag.FILL).all()
    item = find_item(job.catalog, job.target, DAY)
    assert item is not None
    assert "Of the 120 days that the root zone looks back on, 6 are published." in item["properties"]["vadose:caveats"]
    assert {entry["kind"] for entry in item["properties"]["vadose:inputs"]} == {"day", "rootzone"}
    assert len(validate_catalog(job.catalog)) > 7
    assert [finding for finding in check(job.catalog).findings if finding.fault] == []

    root, late, after = Path(job.catalog), DAY - dt.timedelta(days=120), DAY + dt.timedelta(days=1)
    for date in (late, after):
        publish_day(root, date, source)
    states = survey(job, BEFORE[-1], after, TODAY)
    assert [state.state for state in states] == ["due", "published", "due"], "121 days back is too far"
    make_items(job, BEFORE[-1], after, today=TODAY)
    publish_day(root, DAY, source, seed=1)
    states = survey(job, BEFORE[-1], after, TODAY)
    assert [state.state for state in states] == ["published", "stale", "stale"], "what held the day, and only that"
    withdraw(root, source, BEFORE[0], "A fault.")
    assert [o.status for o in make_items(job, BEFORE[-1], after, today=TODAY)] == ["published"] * 3
    assert {o.status for o in make_items(job, BEFORE[-1], after, today=TODAY)} == {"current"}
    strict = RootZoneJob(catalog=job.catalog, domain=PLACE, learned=job.learned)
    stands, empty = survey(strict, DAY, after + dt.timedelta(days=1), TODAY)[::2]
    assert (stands.days, stands.state) == (0, "published"), "too few days of the window: what stands is left"
    assert (empty.state, empty.why) == ("empty", "its day, or 90 of its 120 days, are not published")


def test_layers_are_judged_by_the_sensors_in_them(job: RootZoneJob, tmp_path: Path) -> None:
    """Sensors at 20 cm read the published layer less 0.03 at one cell and less 0.01 at another, at 5 cm nonsense."""
    days = [DAY + dt.timedelta(days=n) for n in range(3)]
    source, ground = job.source(), product.domain(PLACE)
    for date in days:
        publish_day(Path(job.catalog), date, source)
    make_items(job, days[0], days[-1], today=TODAY)
    hours = np.concatenate([np.datetime64(day, "s") + np.arange(0, 24, 6) * np.timedelta64(3600, "s") for day in days])
    axes = ground.geobox().coords
    to_degrees = Transformer.from_crs(CRS, 4326, always_xy=True)
    layers = np.stack([read_rasters(job.catalog, job.target, day, ["layer2"])["layer2"] for day in days])
    made = []
    for name, (row, column), less in (("A", (25, 20), 0.03), ("B", (30, 12), 0.01)):
        for depth, values in ((0.05, np.full(3, 0.6)), (0.2, layers[:, row, column] - less)):
            lon, lat = to_degrees.transform(axes["x"].values[column], axes["y"].values[row])
            place = {"lat": lat, "lon": lon}
            told = Sensor(network="NET", station=name, name="probe", depth_from=depth, depth_to=depth, **place)
            value = np.repeat(values, 4)
            made.append(Series(sensor=told, time=hours, value=value, flag=np.full(value.size, "G", "U3")))
    assert len(list(table.write(tmp_path / "readings.parquet", made))) == 4
    asked = ValidationJob(
        domain=PLACE,
        catalog=job.catalog,
        stations=(str(tmp_path / "readings.parquet"),),
        out=tmp_path / "out",
        prior=job.learned.parent / "prior",
        period=(days[0], days[-1]),
        min_pairs=3,
    )
    found = validate_layer(asked, "layer2")
    ours = {name: entry["value"] for name, entry in found["estimates"]["product"].items()}
    assert (found["sites"], found["pairs"], found["simulated"]) == (2, 6, True)
    assert ours["bias"] == pytest.approx(0.02, abs=1e-5)
    assert ours["ubrmsd"] == pytest.approx(0.0, abs=1e-5)
    assert ours["r"] == pytest.approx(1.0, abs=1e-4)
    surface = np.stack([read_rasters(job.catalog, source, day, ["soil_moisture"])["soil_moisture"] for day in days])
    cells = [((25, 20), 0.03), ((30, 12), 0.01)]
    rmsd = [float(np.sqrt(((surface[:, r, c] - layers[:, r, c] + less) ** 2).mean())) for (r, c), less in cells]
    assert found["estimates"]["surface"]["rmsd"]["value"] == pytest.approx(np.mean(rmsd), abs=1e-5)
    assert found["gains"]["surface"]["rmsd"]["value"] == pytest.approx(np.mean(rmsd) - 0.02, abs=1e-5)
    data = open_prior(job.learned.parent / "prior").data
    angles = 2 * np.pi * data["time"].dt.dayofyear.values / 365.25
    deep = data["soil_moisture_layer2"].values[:, 25, 20].astype(float)
    waves = np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], axis=1)
    expected = waves @ np.linalg.lstsq(waves, deep, rcond=None)[0]
    same = open_prior(job.learned.parent / "prior"), ground, "soil_moisture_layer2"
    at = calendar_at(*same, [dt.date(2023, 7, 1)], np.array([25]), np.array([20]))
    assert at is not None
    day = int(np.flatnonzero(data["time"].values.astype("datetime64[D]") == np.datetime64("2023-07-01"))[0])
    assert at[0, 0] == pytest.approx(expected[day], abs=1e-4)
    assert set(found["estimates"]) == {"product", "surface", "calendar"}
    assert 0.0 <= found["coverage"] <= 1.0
    assert json.loads((tmp_path / "out" / "layer2.json").read_text())["pairs"] == 6
    with pytest.raises(ValidationError, match="No sensor stands in the layer"):
        validate_layer(asked, "layer3")


def test_what_cannot_be_learned_or_read_is_a_clear_error(job: RootZoneJob, tmp_path: Path) -> None:
    ground = product.domain(PLACE)
    source = open_source("netcdf", write_layers(tmp_path / "short.nc", ground, days=40))
    prior = build_prior(source, ground, tmp_path / "prior")
    source.close()
    with pytest.raises(RootZoneError, match="cannot be learned"):
        learn_root_zone(prior, tmp_path / "rootzone.h5")
    assert not (tmp_path / "rootzone.h5").exists()
    with pytest.raises(RootZoneError, match="no state"):
        open_learned(tmp_path / "rootzone.h5")
    with pytest.raises(PriorCoverageError, match="does not cover"):
        open_learned(job.learned).require(product.LITTLE_WASHITA)
    with pytest.raises(ConfigError, match="needs a learned state"):
        root_zone_job(Settings())
    copy = tmp_path / "other.h5"
    copy.write_bytes(job.learned.read_bytes())
    with h5py.File(copy, "a") as file:
        file.attrs["vadose"] = json.dumps(json.loads(file.attrs["vadose"]) | {"window": 60})
    with pytest.raises(RootZoneError, match="another version"):
        open_learned(copy)
    copy.write_bytes(job.learned.read_bytes()[:4000])
    with pytest.raises(RootZoneError):
        open_learned(copy)
