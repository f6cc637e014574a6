"""Prefect: flows, retries, artifacts, events, automations."""
