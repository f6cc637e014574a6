"""Where stations stand: layouts, siting and real networks."""
