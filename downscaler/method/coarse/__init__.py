"""Coarse soil moisture between SMAP's passes and how 1 km cells follow it: a day's analysis from what SMAP saw."""
