"""vadose, the science: SMAP and ParFlow-CLM in, 1 km soil moisture out. No Prefect, no STAC.

A day from granule to map::

    import downscaler as vd

    prior, model = vd.open_prior("prior"), vd.load_model("model")
    day = vd.read_smap("SMAP_L3_SM_P_E_20240523_R19240_001.h5", prior.domain)
    field = vd.downscale(day, prior, model)
    field.soil_moisture.plot()

Names are imported when they are first used, so that the command line starts at once.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from downscaler.day.downscale import downscale
    from downscaler.sources.smap.day import read_smap
    from downscaler.stores.model import load_model
    from downscaler.stores.prior.store import open_prior
    from downscaler.validation.datasets import validate

__version__ = "0.1.0"
__all__ = ["downscale", "load_model", "open_catalog", "open_prior", "read_smap", "validate"]

# idle OpenMP threads of XGBoost spin by default: with several workers on few cores that costs threefold
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# and so do those of the linear algebra, whose matrices here are far too small to share
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def open_catalog(uri: str) -> Any:
    """A published catalogue: its days as datasets (``catalog.reading.open.open_catalog``).

    The science does not know the catalogue: it is found as the entry point ``open_catalog`` of the group ``vadose``,
    which this distribution declares. Raises ConfigError where the distribution is not installed, CatalogError where
    there is no catalogue.
    """
    from importlib.metadata import entry_points

    from downscaler.errors import ConfigError

    found = tuple(entry_points(group="vadose", name="open_catalog"))
    if not found:
        raise ConfigError(
            "The catalogue reader is not installed",
            allowed="the entry point open_catalog of the group vadose",
            remedy="Install the distribution again: make setup, or pip install -e .",
        )
    return found[0].load()(uri)


def __getattr__(name: str) -> Any:
    """The front door's functions, imported when they are asked for."""
    if name == "downscale":
        return import_module("downscaler.day.downscale").downscale
    if name == "load_model":
        return import_module("downscaler.stores.model").load_model
    if name == "open_prior":
        return import_module("downscaler.stores.prior.store").open_prior
    if name == "read_smap":
        return import_module("downscaler.sources.smap.day").read_smap
    if name == "validate":
        return import_module("downscaler.validation.datasets").validate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
