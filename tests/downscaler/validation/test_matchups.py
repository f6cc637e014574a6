"""From readings to pairs: cells, depths, windows around SMAP's observation, and what is no pair."""

import datetime as dt

import numpy as np
import pytest

from downscaler import product
from downscaler.ground.cells import cells_of
from downscaler.ground.grid import M01, M09, LonLat
from downscaler.product import Flag
from downscaler.sources.insitu import uscrn
from downscaler.sources.insitu.series import Sensor, Series
from downscaler.sources.smap import read_day
from downscaler.validation.matchups import ProductDays, collocate, coverage, retrievals_at
from downscaler.validation.sites import Gathered, cells, sites_of

DOMAIN = product.DEMO
DATES = (dt.date(2024, 5, 23), dt.date(2024, 5, 24))


def sensor(station="A", depth=0.05, network="NET", lat=34.61, lon=-94.32, name="probe"):
    return Sensor(network=network, station=station, name=name, depth_from=depth, depth_to=depth, lat=lat, lon=lon)


def readings(one, start, values, step="1h", flags=None, daily=False):
    time = np.datetime64(start, "s") + np.arange(len(values)) * np.timedelta64(int(step[:-1]), step[-1])
    flag = np.array(flags or ["G"] * len(values))
    return Series(sensor=one, time=time, value=np.asarray(values, float), flag=flag, daily=daily)


def test_cells_are_those_of_the_grid_one_by_one():
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-96, -92, 50), rng.uniform(33, 36, 50)
    rows, columns, inside = cells_of(DOMAIN, lon, lat)
    window = DOMAIN.window()
    for number in range(50):
        cell = M01.cell_at(LonLat(lon=lon[number], lat=lat[number]))
        expected = (cell.y - window.rows.start, cell.x - window.columns.start)
        shape = DOMAIN.shape()
        within = 0 <= expected[0] < shape.y and 0 <= expected[1] < shape.x
        assert inside[number] == within
        if within:
            assert (rows[number], columns[number]) == expected
    assert not cells_of(DOMAIN, [np.nan], [34.5])[2][0]


def test_the_shallowest_sensors_count_and_stations_of_a_cell_are_one_site():
    near = sensor("B", network="OTHER", lat=34.6101, lon=-94.3201)
    sensors = [sensor(depth=0.05), sensor(depth=0.1), sensor(depth=0.05, name="second"), near, sensor("C", lat=35.1)]
    sites = sites_of(sensors, DOMAIN, M09)
    assert [site.station for site in sites] == ["C", "A+B"]
    assert sites[1].network == "NET+OTHER"
    assert [s.depth_to for s in sites[1].sensors] == [0.05, 0.05, 0.05]
    assert sites[1].neighbours == 2
    assert sites_of([sensor(lat=20.0)], DOMAIN, M09) == []


def test_readings_within_the_window_are_averaged_and_no_other():
    sites = sites_of([sensor()], DOMAIN, M09)
    observed = np.array([[12.0 * 60], [np.nan]])
    gathered = Gathered(sites=sites, dates=DATES, observed=observed, window=3.0)
    hours = np.arange(48) / 100
    flags = ["G"] * 48
    flags[11] = "D06"
    assert gathered.add(readings(sensor(), "2024-05-23", hours, flags=flags))
    values = gathered.values()
    kept = [h for h in range(9, 16) if h != 11]
    assert values[0, 0] == pytest.approx(np.mean(hours[kept]))
    assert np.isnan(values[0, 1])  # SMAP saw nothing on that day
    assert not gathered.add(readings(sensor("elsewhere"), "2024-05-23", hours))


def test_an_observation_after_midnight_takes_readings_of_the_night_before():
    sites = sites_of([sensor()], DOMAIN, M09)
    gathered = Gathered(sites=sites, dates=DATES[1:], observed=np.array([[10.0]]), window=2.0)
    gathered.add(readings(sensor(), "2024-05-23T20:00", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]))
    assert gathered.values()[0, 0] == pytest.approx(np.mean([0.4, 0.5, 0.6, 0.7][:4]))


def test_sensors_of_a_site_count_alike_however_often_they_read():
    sites = sites_of([sensor(), sensor(name="second")], DOMAIN, M09)
    gathered = Gathered(sites=sites, dates=DATES[:1], observed=np.array([[720.0]]))
    gathered.add(readings(sensor(), "2024-05-23T10:00", [0.1, 0.1, 0.1, 0.1]))
    gathered.add(readings(sensor(name="second"), "2024-05-23T12:00", [0.3]))
    assert gathered.values()[0, 0] == pytest.approx(0.2)


def test_a_daily_mean_stands_for_its_day_and_frozen_ones_for_none():
    sites = sites_of([sensor()], DOMAIN, M09)
    gathered = Gathered(sites=sites, dates=DATES, observed=np.full((2, 1), 720.0))
    gathered.add(readings(sensor(), "2024-05-23", [0.2, 0.3], step="24h", flags=["G", "D01"], daily=True))
    np.testing.assert_array_equal(gathered.values(), [[0.2, np.nan]])


def test_a_daily_mean_is_that_of_the_local_day_of_an_evening_overpass():
    """18:18 local solar time on 23 May is 00:35 UTC on the 24th; the overpass at 06:18 is of the same day in both."""
    sites = sites_of([sensor()], DOMAIN, M09)
    gathered = Gathered(sites=sites, dates=DATES, observed=np.array([[12 * 60 + 35.0], [35.0]]))
    gathered.add(readings(sensor(), "2024-05-22", [0.1, 0.2, 0.3], step="24h", daily=True))
    np.testing.assert_allclose(gathered.values(), [[0.2, 0.2]])


def test_stations_of_a_cell_count_alike_however_many_sensors_they_have():
    near = sensor("B", lat=34.6101, lon=-94.3201)
    sensors = [sensor(), sensor(name="second"), near]
    gathered = Gathered(sites=sites_of(sensors, DOMAIN, M09), dates=DATES[:1], observed=np.array([[720.0]]))
    for one, value in zip(sensors, (0.1, 0.2, 0.35), strict=True):
        gathered.add(readings(one, "2024-05-23T12:00", [value]))
    assert gathered.values()[0, 0] == pytest.approx((0.15 + 0.35) / 2)


def test_what_is_no_pair():
    """Frozen, refused and carried-forward cells drop out; flags that only warn do not."""
    flags = np.array([[0, Flag.FROZEN_OR_SNOW, Flag.GAP_FILLED, Flag.SMAP_NOT_RECOMMENDED, Flag.OUTSIDE_APPLICABILITY]])
    dates = tuple(dt.date(2024, 5, day) for day in range(1, 6))
    field = np.full((1, 5), 0.2)
    days = ProductDays(
        dates=dates,
        theta=field,
        smap=field,
        flags=flags.astype(np.uint16),
        observed=np.full((5, 1), 720.0),
        simulated=True,
    )
    prior = np.array([[0.2, 0.2, 0.2, 0.2, np.nan]])
    made = collocate(sites_of([sensor()], DOMAIN, M09), days, field, {})
    np.testing.assert_array_equal(made.pairs, [[True, False, False, False, True]])
    np.testing.assert_array_equal(made.outside, [[False, False, False, False, True]])
    made = collocate(sites_of([sensor()], DOMAIN, M09), days, field, {"prior": prior})
    assert made.pairs.sum() == 1  # all are judged on the same pairs
    table = made.table()
    assert list(table["date"].dt.date) == [dates[0]]
    assert (table[["in_situ", "product", "smap", "prior"]].to_numpy() == 0.2).all()


def test_coverage_counts_the_readings_of_pairs_within_the_interval():
    theta, station = np.full((1, 5), 0.2), np.array([[0.10, 0.15, 0.25, 0.31, 0.2]])
    days = ProductDays(
        dates=tuple(dt.date(2024, 5, day) for day in range(1, 6)),
        theta=theta,
        smap=theta,
        flags=np.array([[0, 0, 0, 0, Flag.FROZEN_OR_SNOW]], dtype=np.uint16),
        observed=np.full((5, 1), 720.0),
        simulated=True,
    )
    made = collocate(sites_of([sensor()], DOMAIN, M09), days, station, {})
    lower, upper = np.full((1, 5), 0.15), np.full((1, 5), 0.30)
    assert coverage(made, lower, upper) == 0.5  # 0.15 and 0.25 of four; the frozen day is no pair
    lower[0, 1] = np.nan
    assert coverage(made, lower, upper) == pytest.approx(1 / 3)
    assert coverage(made, np.full_like(lower, np.nan), upper) is None


def test_the_real_granule_against_uscrn_of_that_day(shared):
    """2015-04-01: five stations under the swath, one of them not recommended, and Austin in the gap on both days."""
    granule = next((shared / "smap").glob("SMAP_L3_SM_P_20150401*.h5"))
    day = read_day([granule], product.CONUS)
    folder = shared / "insitu" / "uscrn"
    found = {}
    for file in sorted(folder.glob("*.txt")):
        for series, _ in uscrn.read(file, domain=product.CONUS, deepest=0.05):
            at = np.flatnonzero(series.time == np.datetime64("2015-04-01"))
            seen = retrievals_at(day, [series.sensor.lon], [series.sensor.lat]).iloc[0]
            found[series.sensor.station] = (series.value[at[0]], seen.soil_moisture, bool(seen.recommended))
    pairs = {
        "WY_Sundance_8_NNW": (0.265, 0.171, True),
        "OK_Stillwater_5_WNW": (0.159, 0.162, True),
        "OK_Stillwater_2_W": (0.269, 0.163, False),
        "OK_Goodwell_2_SE": (0.272, 0.070, True),
        "NE_Whitman_5_ENE": (0.070, 0.020, True),
    }
    assert set(found) == {*pairs, "TX_Austin_33_NW"}
    for station, (ground, space, recommended) in pairs.items():
        assert found[station][0] == pytest.approx(ground, abs=5e-4)
        assert found[station][1] == pytest.approx(space, abs=5e-4)
        assert found[station][2] is recommended
    assert np.isnan(found["TX_Austin_33_NW"][1])


def test_places_off_the_domain_have_no_retrieval(shared):
    granule = next((shared / "smap").glob("SMAP_L3_SM_P_20150401*.h5"))
    seen = retrievals_at(read_day([granule], product.CONUS), [10.0], [50.0]).iloc[0]
    assert np.isnan(seen.soil_moisture)
    assert not seen.recommended


def test_cells_of_sites_are_arrays():
    rows, columns = cells(sites_of([sensor(), sensor("C", lat=35.1)], DOMAIN, M09))
    assert rows.shape == columns.shape == (2,)
    assert (np.diff(rows) > 0).all()
