"""Alerts: rules of an operator, what they tell of the published days, and who is told."""
