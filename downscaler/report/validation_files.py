"""Writes a validation: the report as a page, its figures as JSON, sites and pairs as Parquet, the map as PNG."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.cells import bounds_of
from downscaler.ground.grid import Domain
from downscaler.ground.prior import Prior
from downscaler.report.style import png
from downscaler.report.validation import page
from downscaler.report.validation_figures import map_figure
from downscaler.validation.representativeness import Representativeness
from downscaler.validation.summary import Findings

REPORT, DOCUMENT, SITES, PAIRS, MAP = "report.html", "validation.json", "sites.parquet", "pairs.parquet", "map.png"
READINGS = "readings.parquet"
_PIXELS = 400  # of the map's backdrop along its longer side
Backdrop = tuple[NDArray[np.float64], tuple[float, float, float, float]]


def write_validation(
    folder: Path, findings: Findings, represented: Representativeness | str, backdrop: Backdrop | None = None
) -> None:
    """Write everything of a validation into a folder; files of an older one are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    findings.sites.to_parquet(folder / SITES, index=False)
    findings.matchups.table().to_parquet(folder / PAIRS, index=False)
    (folder / MAP).write_bytes(png(map_figure(findings, backdrop)))
    (folder / REPORT).write_text(page(findings, represented, backdrop), encoding="utf-8")
    text = json.dumps(findings.document, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    (folder / DOCUMENT).write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def relief(prior: Prior, domain: Domain) -> Backdrop | None:
    """Elevation of a domain, thinned for a map, with its edges in degrees; None where the prior does not tell it."""
    if "elevation" not in prior.data:
        return None
    whole = domain.window()
    step = max(1, max(whole.shape.x, whole.shape.y) // _PIXELS)
    thin = slice(None, None, step)
    data = prior.window(domain, whole.relative_to(whole))
    field = data["elevation"][thin, thin].values.astype(float)
    west, south, east, north = bounds_of(domain)
    return field, (west, east, south, north)
