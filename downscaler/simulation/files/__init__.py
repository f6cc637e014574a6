"""Writers of the simulated sample in the formats the real world delivers: SMAP HDF5, ParFlow, ISMN."""
