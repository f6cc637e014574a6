"""Lengths in which the axes of maps are told: metres, and the kilometres that subset services write."""

METRES = dict.fromkeys(("", "m", "meter", "metre", "meters", "metres"), 1.0) | dict.fromkeys(
    ("km", "kilometer", "kilometre", "kilometers", "kilometres"), 1000.0
)
"""Metres of a unit, in lower case; none is taken for metres."""
