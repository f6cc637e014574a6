"""Validation against in-situ networks: match-ups, metrics with intervals, representativeness, the report's content."""
