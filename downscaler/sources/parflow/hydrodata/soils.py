"""Hydraulic parameters of CONUS2's subsurface units, by the table that its own run scripts use.

Source: HydroFrame subsettools, reference run ``conus2_pfclm_transient_solid`` (keys GeomInput, Perm, Porosity and
Phase.Saturation), read at commit 334e2a8. Soil textures 1 to 13 have parameters of their own; bedrock (19, 20) and
geology (21 to 28), which lie below the soil, have their permeability and the run's defaults for the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import PriorSchemaError

Field = NDArray[np.float64]
# unit: porosity (1), permeability (m/h), van Genuchten alpha (1/m), n (1), residual saturation (1)
SOILS: dict[int, tuple[float, float, float, float, float]] = {
    1: (0.375, 0.269022595, 3.548, 4.162, 0.0001),
    2: (0.390, 0.043630356, 3.467, 2.738, 0.0001),
    3: (0.387, 0.015841225, 2.692, 2.445, 0.0001),
    4: (0.439, 0.007582087, 0.501, 2.659, 0.0001),
    5: (0.489, 0.01818816, 0.661, 2.659, 0.0001),
    6: (0.399, 0.005009435, 1.122, 2.479, 0.0001),
    7: (0.384, 0.005492736, 2.089, 2.318, 0.0001),
    8: (0.482, 0.004675077, 0.832, 2.514, 0.0001),
    9: (0.442, 0.003386794, 1.585, 2.413, 0.0001),
    10: (0.385, 0.004783973, 3.311, 2.202, 0.0001),
    11: (0.481, 0.003979136, 1.622, 2.318, 0.0001),
    12: (0.459, 0.006162952, 1.514, 2.259, 0.0001),
    13: (0.399, 0.005009435, 1.122, 2.479, 0.0001),
}
BELOW: dict[int, float] = {
    19: 0.005, 20: 0.01, 21: 0.02, 22: 0.03, 23: 0.04, 24: 0.05, 25: 0.06, 26: 0.08, 27: 0.1, 28: 0.2,
}  # fmt: skip
"""Permeability (m/h) of the units below the soil."""
_DEFAULT = (0.33, 1.0, 3.0, 0.001)  # porosity, alpha, n and residual saturation of the run's whole domain
TABLE = SOILS | {unit: (_DEFAULT[0], permeability, *_DEFAULT[1:]) for unit, permeability in BELOW.items()}
NAMES = ("porosity", "permeability", "van_genuchten_alpha", "van_genuchten_n", "residual_saturation")


def parameters(indicator: Field) -> dict[str, Field]:
    """Porosity (m3 m-3), permeability (m h-1), van Genuchten alpha (m-1) and n, residual saturation of each cell.

    ``indicator`` is [j, i], NaN or 0 where there is no ground; the fields are NaN there. Raises PriorSchemaError for a
    unit that the table does not have.
    """
    units = np.nan_to_num(indicator).round().astype(np.int64)
    unknown = sorted(set(np.unique(units).tolist()) - TABLE.keys() - {0})
    if unknown:
        raise PriorSchemaError("The indicator holds units that CONUS2 does not have", value=unknown, allowed=TABLE)
    lookup = np.full((max(TABLE) + 1, len(NAMES)), np.nan)
    for unit, values in TABLE.items():
        lookup[unit] = values
    return {name: lookup[units, column] for column, name in enumerate(NAMES)}
