"""ParFlow-CLM output: native .pfb, NetCDF and Zarr."""
