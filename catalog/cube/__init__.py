"""A collection's days as one Zarr cube."""
