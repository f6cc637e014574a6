"""The playground: tests station networks and downscaling methods against a truth known everywhere.

A ParFlow-CLM record stands for the truth; a coarse sensor and stations are simulated from it; methods learn from the
stations of a layout or from the physics everywhere; and what their users would believe of them (cross-validation at
the stations) is set against what is true (wall to wall). After Leonarduzzi, Gruber & Maxwell (2026,
doi:10.5194/egusphere-2026-2956).
"""

CELLS = 150_000
"""Cells of a larger domain that are held unless more are asked for."""
