"""The only I/O of the science: SMAP granules, ParFlow-CLM, station archives, the prior store."""
