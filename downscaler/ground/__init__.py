"""Foundations: grids, lattices, regridding, block means, tiles and the coarse day."""
