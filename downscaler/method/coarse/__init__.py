"""Coarse soil moisture between SMAP's passes: how SMAP observes it, and the analysis of a day from what it saw."""
