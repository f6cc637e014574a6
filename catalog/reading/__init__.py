"""What is published, read back: days, rasters, points and time series."""
