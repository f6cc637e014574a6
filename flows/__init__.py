"""vadose, the operation: settings, the command line and Prefect flows; thin over the science."""
