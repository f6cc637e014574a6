"""Which cells of a continental lattice a domain needs."""

from __future__ import annotations

import numpy as np
from pyproj import Transformer

from downscaler.errors import PriorCoverageError
from downscaler.ground.grid import CRS, Domain, Span
from downscaler.ground.lattice import CELL, IJWindow, Parent

MARGIN = 8  # cells around the domain, so that water flowing in from near by is known
REGISTRATION = "hydrodata"  # the corner that HydroFrame's own arrays follow


def window_of(parent: Parent, domain: Domain, margin: int = MARGIN) -> IJWindow:
    """The cells that cover a domain with a margin, cut at the lattice's edge; raises PriorCoverageError off it."""
    box = domain.geobox().boundingbox
    t = np.linspace(0.0, 1.0, 201)
    x, y = box.left + (box.right - box.left) * t, box.bottom + (box.top - box.bottom) * t
    edges = [np.r_[x, x, np.full_like(y, box.left), np.full_like(y, box.right)]]
    edges.append(np.r_[np.full_like(x, box.bottom), np.full_like(x, box.top), y, y])
    there = Transformer.from_crs(CRS, parent.crs, always_xy=True).transform(*edges)
    corner = parent.registrations[REGISTRATION]
    spans = []
    for place, origin, size in zip(there, (corner.x, corner.y), (parent.shape.x, parent.shape.y), strict=True):
        cells = np.floor((np.asarray(place) - origin) / CELL)
        first, last = int(cells.min()) - margin, int(cells.max()) + 1 + margin
        if last <= 0 or first >= size:
            raise PriorCoverageError(f"{domain.name} lies outside {parent.name}", value=f"cells {first} to {last}")
        spans.append(Span(start=max(first, 0), stop=min(last, size)))
    return IJWindow(i=spans[0], j=spans[1])
