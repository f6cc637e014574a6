"""Validation against stations, and the playground's experiments."""
