"""What a day of CONUS costs in the weather store, and a published day with the store against without (`make bench`).

CPU seconds (user and system) and peak memory of a process of its own, so that a busy machine counts for little.
"""

import datetime as dt
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import weather_files as making

from downscaler.ground.grid import M01, Domain
from downscaler.ground.prior import Prior
from downscaler.method.tile.weather import DaysOfWeather

CPU_LIMIT, MEMORY_LIMIT, EXTEND_LIMIT = 60.0, 1e9, 120.0
MORE = 0.10  # share that a published day may cost more with the store
CHILD = """
import resource, sys, time
from pathlib import Path
from downscaler import product
from downscaler.sources.weather import open_weather_source
from downscaler.stores.weather import add_days, build_weather
out, path = map(Path, sys.argv[1:3])
build_weather(out, product.CONUS)
source = open_weather_source("nldas2", path)
begin = resource.getrusage(resource.RUSAGE_SELF)
written = add_days(out, source, source.days[int(sys.argv[3]):][:1], said=lambda day, what: sys.exit(what))
used = resource.getrusage(resource.RUSAGE_SELF)
assert len(written) == 1
print(used.ru_utime + used.ru_stime - begin.ru_utime - begin.ru_stime, used.ru_maxrss * 1024)
"""


def test_a_conus_day_from_24_files_and_the_day_after(tmp_path: Path) -> None:
    for number in range(2):
        making.nldas2_hours(tmp_path / "files", day=making.DAY + dt.timedelta(days=number))
    told = []
    for number in range(2):
        line = [sys.executable, "-c", CHILD, str(tmp_path / "weather"), str(tmp_path / "files"), str(number)]
        begin = time.monotonic()
        done = subprocess.run(line, capture_output=True, text=True, timeout=600, check=True)
        cpu, memory = map(float, done.stdout.split())
        told.append((cpu, memory))
        wall = time.monotonic() - begin
        print(f"day {number + 1}: {cpu:.1f} CPU s, peak {memory / 1e9:.2f} GB, {wall:.1f} s in all")
    size = sum(file.stat().st_size for file in (tmp_path / "weather").rglob("*") if file.is_file())
    print(f"store of two days: {size / 1e6:.1f} MB")
    assert all(cpu < CPU_LIMIT and memory < MEMORY_LIMIT for cpu, memory in told)
    assert told[1][0] < EXTEND_LIMIT


def cpu_of(work: Callable[[], object]) -> float:
    """CPU seconds of this process, the less of two tries."""
    found = []
    for _ in range(2):
        begin = resource.getrusage(resource.RUSAGE_SELF)
        work()
        used = resource.getrusage(resource.RUSAGE_SELF)
        found.append(used.ru_utime + used.ru_stime - begin.ru_utime - begin.ru_stime)
    return min(found)


def _store(path: Path, domain: Domain, last: dt.date) -> DaysOfWeather:
    """Sixty days up to ``last`` from CF files."""
    import netCDF4

    from downscaler.sources.weather import open_weather_source
    from downscaler.stores.weather import add_days, build_weather, open_weather

    rng = np.random.default_rng(0)
    with netCDF4.Dataset(path / "days.nc", "w") as data:
        for name, values in (("lat", 25.25 + 0.5 * np.arange(40)), ("lon", -110.75 + 0.5 * np.arange(60))):
            data.createDimension(name, values.size)
            data.createVariable(name, "f8", (name,))[:] = values
        data.createDimension("time", 60)
        when = data.createVariable("time", "f8", ("time",))
        when.units = f"days since {last - dt.timedelta(days=59)}"
        when[:] = np.arange(60)
        for name, units, fields in (("pr", "mm day-1", rng.exponential(3.0, (60, 40, 60))), ("tas", "K", 290.0)):
            variable = data.createVariable(name, "f4", ("time", "lat", "lon"))
            variable.units = units
            variable[:] = fields
    build_weather(path / "w", domain)
    source = open_weather_source("netcdf", path / "days.nc")
    add_days(path / "w", source, source.days)
    source.close()
    return open_weather(path / "w").upto(last)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prior, Prior, object, dt.date, Path]:
    """A prior of one tile that holds the day, the same that ends two months before, and a model."""
    import xarray as xr
    from bench_predict import block_domain

    from downscaler.learn.boosting import Options
    from downscaler.learn.training import train
    from downscaler.simulation.sample import write_sample
    from downscaler.sources.parflow import open_source
    from downscaler.stores.prior import build_prior

    work, domain, last = tmp_path_factory.mktemp("bench-weather"), block_domain(4), dt.date(2024, 5, 23)
    write_sample(work / "sample", domain, days=1, start=last, seed=1, history=150)
    native = work / "sample" / "prior"
    with xr.open_dataset(native / "daily.nc") as daily:
        daily.isel(time=slice(None, -60)).to_netcdf(work / "early.nc")
    priors = []
    for name, file in (("whole", native / "daily.nc"), ("early", work / "early.nc")):
        source = open_source("netcdf", file, native / "static.nc")
        priors.append(build_prior(source, domain, work / name))
        source.close()
    model = train(priors[0], options=Options(rows=20_000, rounds=100))
    return priors[0], priors[1], model, last, work


def test_a_published_day_with_the_store_against_the_priors_own_weather(made: tuple) -> None:  # type: ignore[type-arg]
    from bench_predict import day_on

    from downscaler.method.tile.predict import predict
    from downscaler.product import QUALITY_FLAG, Flag

    whole, early, model, last, work = made
    domain = whole.domain
    weather = _store(work, domain, last)
    day = day_on(domain, seed=1)
    flags = [tile.fields[QUALITY_FLAG.name] for tile in predict(model, early, day, weather=weather)]
    assert not any((flag & Flag.WITHOUT_WEATHER).any() for flag in flags)  # the store was used
    own = cpu_of(lambda: list(predict(model, whole, day)))
    without = cpu_of(lambda: list(predict(model, early, day)))
    beside = cpu_of(lambda: list(predict(model, early, day, weather=weather)))
    cells = domain.shape(M01).x * domain.shape(M01).y
    print(f"CPU s a day of {cells} km2: {own:.2f} own weather, {without:.2f} without, {beside:.2f} with the store")
    assert beside <= (1 + MORE) * max(own, without)
