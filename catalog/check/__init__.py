"""Check and repair of a catalogue: survey, files, cubes and stray files."""
