"""Publishes days, models and validations: claims, commits, withdrawal, failures."""
