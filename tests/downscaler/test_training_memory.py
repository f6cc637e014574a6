"""Training rows lie on disk: ten times as many hardly raise the peak memory."""

import subprocess
import sys

TEN_TIMES = 1.5  # most that peak memory may grow by
ROWS = 40_000
# What imports, the opened prior and one small training cost is in every figure: the first call warms it all up.
CHILD = """
import resource, sys
import numpy as np
from downscaler.boosting import Kind, Options, fit_plain
from downscaler.grid import M09
from downscaler.samples import Part, TileRecord
from downscaler.sources.prior import open_prior

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

prior = open_prior(sys.argv[1])
window = prior.domain.window()
data = prior.window(prior.domain, window.relative_to(window)).load()
days = np.arange(30, data.sizes["time"])
record = TileRecord(data, M09, days)
fit_plain(Kind(grid=M09, forcing=True), [record], Part(days=days), Options(rows=2000, rounds=3), (3, 3))
warm = peak()
fit_plain(Kind(grid=M09, forcing=True), [record], Part(days=days), Options(rows=int(sys.argv[2])), (12, 4))
print(warm, peak())
"""


def peaks(prior, rows):
    """Peak memory in MiB when warm, and after training on ``rows``."""
    line = [sys.executable, "-c", CHILD, str(prior.path), str(rows)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    warm, after = (int(kib) / 1024 for kib in done.stdout.split())
    return warm, after


def test_ten_times_the_rows_raise_peak_memory_by_less_than_half(chain):
    warm, few = peaks(chain.prior, ROWS)
    _, many = peaks(chain.prior, 10 * ROWS)
    figures = f"warm {warm:.0f} MiB, {ROWS} rows {few:.0f} MiB, {10 * ROWS} rows {many:.0f} MiB: x {many / few:.2f}"
    print(figures)
    assert few >= warm
    assert many < TEN_TIMES * few, figures
