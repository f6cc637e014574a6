"""What a day of percentiles, and an outlook, cost at the size of CONUS: one window of land, times those there are.

``python -m tests.benchmarks.bench_percentile [YEARS]`` prints CPU seconds of computing a window of 144 x 144 cells with
YEARS earlier years of analyses (10 by default) and as many of the prior, and of CONUS by that; reading is told by
``bench_composite`` (bytes of days).
"""

from __future__ import annotations

import datetime as dt
import sys
import time

import numpy as np

from downscaler import product
from downscaler.derived.composite import ErrorMemory
from downscaler.derived.outlook import LEADS, Fading, look_ahead, outlook_rasters
from downscaler.derived.percentile import SEASON
from flows.derived.percentiles import _in_parts, _Season, earlier, recent, season_before

DAY = dt.date(2024, 5, 20)
_SIDE = 144
LAND = 3.96e6  # cells of CONUS with a prior; others take no time


def main(years: int) -> None:
    """Measure and print."""
    rng, shape = np.random.default_rng(0), (_SIDE, _SIDE)
    cells = _SIDE**2
    seasons = {*season_before(DAY), *season_before(earlier(DAY))}
    held = sorted(date for date in seasons if date.year >= DAY.year - years)
    dates = [DAY, *held, *recent(DAY)]
    fields = [[rng.uniform(*ends, cells).astype(np.float32) for _ in dates] for ends in ((0.1, 0.4), (0.02, 0.05))]
    prior = rng.uniform(0.1, 0.4, (years * (2 * SEASON + 1), cells)).astype(np.float32)
    own = rng.uniform(0.1, 0.4, (3, *shape))
    number = product.CONUS.shape().y * product.CONUS.shape().x / cells
    began = time.process_time()
    asked = [_Season(date=date, prior=prior) for date in (DAY, earlier(DAY))]
    _in_parts(dates, fields, asked, ErrorMemory.of("analysis_conus"))
    each = time.process_time() - began
    land = LAND / _SIDE**2
    print(f"percentile, {len(dates)} days and {len(prior)} of the prior: {each:.2f} CPU s for {_SIDE} x {_SIDE} cells, "
          f"{each * land:.0f} CPU s for CONUS", flush=True)  # fmt: skip
    blank = {"level": own[0], "wave": own[:2] / 10, **{n: np.ones((len(LEADS), *shape)) for n in ("errors", "given")}}
    fading = Fading(left=np.full((len(LEADS), *shape), 0.7), **blank)
    began = time.process_time()
    outlook_rasters(*look_ahead(own[1], own[2] / 10, DAY, fading), np.zeros(shape, np.uint16))
    each = time.process_time() - began
    print(f"outlook: {each:.3f} CPU s a window, {each * number:.1f} CPU s for CONUS")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 10)
