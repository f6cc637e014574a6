"""USDA texture classes as ParFlow's indicator numbers them, and what water does in each.

Source: van Genuchten parameters and conductivity of Carsel and Parrish (1988, doi:10.1029/WR024i005p00755, table 6);
sand and clay contents at the centroids of the USDA texture triangle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# indicator, porosity, residual (m3 m-3), conductivity (cm h-1), alpha (m-1), n, sand, clay
_TABLE = np.array(
    [
        [1, 0.43, 0.045, 29.70, 14.5, 2.68, 0.92, 0.03],  # sand
        [2, 0.41, 0.057, 14.59, 12.4, 2.28, 0.82, 0.06],  # loamy sand
        [3, 0.41, 0.065, 4.42, 7.5, 1.89, 0.58, 0.10],  # sandy loam
        [4, 0.45, 0.067, 0.45, 2.0, 1.41, 0.17, 0.13],  # silt loam
        [5, 0.46, 0.034, 0.25, 1.6, 1.37, 0.10, 0.05],  # silt
        [6, 0.43, 0.078, 1.04, 3.6, 1.56, 0.43, 0.18],  # loam
        [7, 0.39, 0.100, 1.31, 5.9, 1.48, 0.58, 0.27],  # sandy clay loam
        [8, 0.43, 0.089, 0.07, 1.0, 1.23, 0.10, 0.34],  # silty clay loam
        [9, 0.41, 0.095, 0.26, 1.9, 1.31, 0.32, 0.34],  # clay loam
        [10, 0.38, 0.100, 0.12, 2.7, 1.23, 0.52, 0.42],  # sandy clay
        [11, 0.36, 0.070, 0.02, 0.5, 1.09, 0.06, 0.47],  # silty clay
        [12, 0.38, 0.068, 0.20, 0.8, 1.09, 0.22, 0.58],  # clay
    ]
)
PROPERTIES = ("porosity", "residual", "permeability", "van_genuchten_alpha", "van_genuchten_n", "sand", "clay")
# Fractured rock below the soil, in the same columns: the bottom layer of every column.
BEDROCK = 19
_BEDROCK_ROW = [BEDROCK, 0.12, 0.012, 0.05, 0.5, 1.5, np.nan, np.nan]


def soil_property(indicator: NDArray[np.int16], name: str) -> NDArray[np.float32]:
    """A property of each cell's soil: one of ``PROPERTIES``, of the indicator's shape; permeability in m h-1."""
    table = np.full((BEDROCK + 1, _TABLE.shape[1]), np.nan)
    table[_TABLE[:, 0].astype(int)] = _TABLE
    table[BEDROCK] = _BEDROCK_ROW
    values = table[:, 1 + PROPERTIES.index(name)] / (100.0 if name == "permeability" else 1.0)
    return np.asarray(values[indicator], np.float32)
