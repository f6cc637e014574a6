"""The simulated sample's science: landscape, weather, hydrology and the satellite's view of it. Pure functions."""
