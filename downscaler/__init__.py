"""vadose, the science: SMAP and ParFlow-CLM in, 1 km soil moisture out. No Prefect, no STAC."""

__version__ = "0.1.0"
