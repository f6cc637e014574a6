"""Reads published data: days, rasters, points and time series."""
