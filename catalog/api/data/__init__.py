"""Values over HTTP: tiles, time series at a point, the cube."""
