"""A day, a model or a validation into the catalogue: claims, the commit, withdrawal, failures."""
