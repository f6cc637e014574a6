"""Commands on a catalogue: check, cube, download, serve, sync."""
