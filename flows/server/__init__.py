"""The same under a Prefect server: flows, retries, artifacts, events, automations."""
