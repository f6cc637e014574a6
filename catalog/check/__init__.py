"""Is the catalogue whole? Survey, checks of files, cubes and strays, and repair."""
