"""JSON Schemas of the STAC extensions in use, written here from their specifications, so that nothing is fetched."""
