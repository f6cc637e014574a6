"""The prior: a ParFlow-CLM run on a domain's product grid, as one Zarr store.

``schema.FIELDS`` declares its variables: daily soil moisture and forcing, climatology, statistics of the whole record,
static terrain, soil and land cover. ``time`` is the UTC day, ``dayofyear`` runs from 1 to 366, row 0 is in the north.
"""

from downscaler.stores.prior.build import build_prior
from downscaler.stores.prior.store import describe, is_prior, open_prior

__all__ = ["build_prior", "describe", "is_prior", "open_prior"]
