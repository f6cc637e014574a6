"""The STAC API: searches of the embedded index or of pgstac."""
