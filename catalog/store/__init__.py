"""Storage of a catalogue: a folder or a bucket, behind one interface."""
