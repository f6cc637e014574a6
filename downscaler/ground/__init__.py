"""The ground that everything stands on: grids, lattices, regridding, blocks, tiles and the coarse day."""
