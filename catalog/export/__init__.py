"""The catalogue in the forms of others: NetCDF after CF and ACDD, DataCite's and Croissant's metadata."""
