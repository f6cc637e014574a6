"""Writes the simulated sample in real formats: SMAP HDF5, ParFlow, ISMN."""
