"""Covariates beside the run's own: public weather on its own grid, brought onto a run's lattice once."""

from downscaler.sources.covariates.daymet import Daymet, fetch_daymet, open_daymet
from downscaler.sources.covariates.weather import WithWeather

__all__ = ["Daymet", "WithWeather", "fetch_daymet", "open_daymet"]
