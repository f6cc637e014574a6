"""vadose, the science: SMAP and ParFlow-CLM in, 1 km soil moisture out. No Prefect, no STAC."""

import os

__version__ = "0.1.0"

# idle OpenMP threads of XGBoost spin by default: with several workers on few cores that costs threefold
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# and so do those of the linear algebra, whose matrices here are far too small to share
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
