"""What is made from published days: composites, percentiles and drought, zones, the root zone. Pure functions."""
