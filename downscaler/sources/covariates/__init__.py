"""Additional covariates: public weather data, regridded once onto the lattice of a run."""

from downscaler.sources.covariates.daymet import Daymet, fetch_daymet, open_daymet
from downscaler.sources.covariates.weather import WithWeather

__all__ = ["Daymet", "WithWeather", "fetch_daymet", "open_daymet"]
