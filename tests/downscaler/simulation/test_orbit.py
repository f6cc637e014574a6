"""Simulated swaths lie where SMAP's own did, and the retrieval says what it saw."""

import datetime as dt

import h5py
import numpy as np
import pytest
from pyproj import Transformer

from downscaler.ground.grid import M36
from downscaler.simulation.orbit import Overpass, observe
from downscaler.simulation.retrieval import SURFACE_BITS, Scene, emission, quality_flags, retrieve, surface_flags

EPOCH = np.datetime64("2000-01-01T11:58:55.816")
LON, LAT = np.meshgrid(np.linspace(-120.0, -70.0, 60), np.linspace(26.0, 49.0, 30))


def global_centres():
    x = M36.transform.c + (np.arange(M36.shape.x) + 0.5) * M36.cell
    y = M36.transform.f - (np.arange(M36.shape.y) + 0.5) * M36.cell
    lon, lat = Transformer.from_crs("EPSG:6933", "EPSG:4326", always_xy=True).transform(*np.meshgrid(x, y))
    return lat, lon


def test_swaths_of_a_real_day(shared):
    with h5py.File(shared / "smap" / "SMAP_L3_SM_P_20150401_R13080_001.h5") as file:
        real = file["Soil_Moisture_Retrieval_Data/tb_time_seconds"][:]
        first, last = (file["Metadata/OrbitMeasuredLocation"].attrs[f"{n}RevNumber"] for n in ("start", "stop"))
    lat, lon = global_centres()
    overpass = observe(dt.date(2015, 4, 1), lat, lon, "AM")
    conus = (lat > 25) & (lat < 50) & (lon > -125) & (lon < -67)
    assert (overpass.seen == (real > 0))[conus].mean() > 0.95
    assert {int(first), int(last)} <= {int(r) for r in np.unique(overpass.revolution)}
    both = overpass.seen & (real > 0) & conus
    gap = (overpass.time[both] - (EPOCH + (1e3 * real[both]).astype("m8[ms]"))) / np.timedelta64(1, "s")
    assert abs(np.median(gap)) < 180.0


def test_times_of_a_real_half_orbit(shared):
    with h5py.File(shared / "smap" / "SMAP_L2_SM_P_02801_A_20150811T013002_R18290_001.h5") as file:
        group = file["Soil_Moisture_Retrieval_Data"]
        lat, lon, seconds = (group[n][:].astype(float) for n in ("latitude", "longitude", "tb_time_seconds"))
    keep = (seconds > 0) & (np.abs(lat) < 60)
    overpass = observe(dt.date(2015, 8, 11), lat[keep], lon[keep], "PM")
    mine = overpass.revolution == 2801
    assert mine.mean() > 0.9
    gap = (overpass.time - (EPOCH + (1e3 * seconds[keep]).astype("m8[ms]")))[mine] / np.timedelta64(1, "s")
    assert np.abs(gap).mean() < 60.0


def test_the_orbit_repeats_after_eight_days():
    day, later = dt.date(2024, 5, 23), dt.date(2024, 5, 31)
    for name in ("AM", "PM"):
        first, second = observe(day, LAT, LON, name), observe(later, LAT, LON, name)
        np.testing.assert_array_equal(first.seen, second.seen)
        np.testing.assert_array_equal(second.revolution[second.seen] - first.revolution[first.seen], 117)


def test_local_solar_time_and_share_of_conus():
    shares = []
    for name, hour in (("AM", 6.0), ("PM", 18.0)):
        for number in range(8):
            overpass = observe(dt.date(2024, 5, 23) + dt.timedelta(days=number), LAT, LON, name)
            shares.append(overpass.seen.mean())
            hours = (overpass.time - overpass.time.astype("M8[D]")) / np.timedelta64(1, "h")
            local = (hours + LON / 15.0)[overpass.seen] % 24
            assert np.abs(local - hour).max() < 1.2
    assert 0.35 < np.mean(shares) < 0.6


def test_unknown_overpass_is_refused():
    with pytest.raises(ValueError, match="NOON"):
        observe(dt.date(2024, 5, 23), LAT, LON, "NOON")


def scene(**changes):
    shape = (12, 14)
    plain = {
        name: np.full(shape, value)
        for name, value in {
            "moisture": 0.25,
            "temperature": 290.0,
            "rain": 0.0,
            "vegetation": 2.0,
            "water": 0.0,
            "urban": 0.0,
            "clay": 0.2,
            "bulk_density": 1.4,
            "roughness": 20.0,
        }.items()
    }
    plain |= {"cover": np.zeros((*shape, 3), np.uint8), "cover_fraction": np.zeros((*shape, 3))}
    return Scene(**(plain | {name: np.full(shape, value) for name, value in changes.items()}))


@pytest.mark.parametrize(
    ("changes", "bit", "recommended"),
    [
        ({}, None, True),
        ({"rain": 12.0}, "precipitation", True),
        ({"roughness": 150.0}, "mountains", True),
        ({"water": 0.2}, "static_water", False),
        ({"urban": 0.4}, "urban", False),
        ({"temperature": 268.0}, "frozen_model", False),
        ({"vegetation": 6.0}, "dense_vegetation", False),
    ],
)
def test_flags_say_what_is_there(changes, bit, recommended):
    flags = surface_flags(scene(**changes))
    if bit is None:
        assert (flags == 0).all()
    else:
        assert (flags & (1 << SURFACE_BITS[bit])).all()
    quality = quality_flags(scene(**changes), np.zeros((12, 14)))
    assert ((quality & 7 == 0) == recommended).all()


def test_retrieval_is_blank_outside_the_swath_and_errs_inside():
    time = np.full((12, 14), np.datetime64("2024-05-23T12:00", "ms"))
    time[:, :5] = np.datetime64("NaT")
    overpass = Overpass(name="AM", time=time, revolution=np.zeros((12, 14), np.int32))
    y, x = np.arange(12) * 9.0, np.arange(14) * 9.0
    days = [retrieve(scene(), overpass, y, x, day=n, seed=0) for n in range(60)]
    moisture = np.stack([d["soil_moisture"] for d in days])
    assert np.isnan(moisture[:, :, :5]).all()
    assert (days[0]["retrieval_qual_flag"][:, :5] == 65534).all()
    assert (days[0]["landcover_class"][:, :5] == 254).all()
    error = moisture[:, :, 5:] - 0.25
    assert 0.025 < np.nanstd(error) < 0.045
    assert abs(np.nanmean(error)) < 0.02
    assert np.isfinite(error).mean() > 0.95


def test_wet_soil_is_cold_to_the_radiometer():
    dry, wet = (emission(np.full((12, 14), theta), scene(), np.zeros((12, 14))) for theta in (0.08, 0.4))
    for name in ("tb_h_corrected", "tb_v_corrected"):
        assert (wet[name] < dry[name] - 10.0).all()
        assert ((dry[name] > 150) & (dry[name] < 300)).all()
    assert (dry["tb_v_corrected"] > dry["tb_h_corrected"]).all()
