"""A day's tiles: their land, made once and kept; their weather; their estimates."""
