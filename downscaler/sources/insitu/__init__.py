"""Readers of station networks."""
