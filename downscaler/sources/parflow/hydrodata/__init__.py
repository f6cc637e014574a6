"""ParFlow-CLM simulations from HydroFrame: downloaded by month and block, then read like any other source.

``datasets`` declares the runs, ``client`` is the only user of hf_hydrodata, ``fetch`` fills a folder and can be stopped
at any time, ``source`` reads the folder.
"""

from downscaler.sources.parflow.hydrodata.datasets import RUNS, Run
from downscaler.sources.parflow.hydrodata.fetch import Request, fetch
from downscaler.sources.parflow.hydrodata.source import HydrodataSource, open_hydrodata

__all__ = ["RUNS", "HydrodataSource", "Request", "Run", "fetch", "open_hydrodata"]
