"""Water retention as ParFlow computes it: saturation of a pressure head. Pure functions.

Source: van Genuchten (1980, doi:10.2136/sssaj1980.03615995004400050002x) with m = 1 - 1/n; ParFlow user manual,
section "Saturation", type VanGenuchten.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]


def saturation(pressure: Field, alpha: Field, n: Field, residual: Field, saturated: float = 1.0) -> Field:
    """Saturation (1) of a pressure head.

    Args:
        pressure: pressure head, m, negative where the soil is not full.
        alpha: van Genuchten alpha, m-1.
        n: van Genuchten n, above 1.
        residual: residual saturation.
        saturated: saturation of full soil.

    Returns:
        Between ``residual`` and ``saturated``, elementwise; NaN where an argument is NaN.
    """
    suction = np.abs(np.minimum(pressure, 0.0)) * alpha
    return residual + (saturated - residual) / (1.0 + suction**n) ** (1.0 - 1.0 / n)
