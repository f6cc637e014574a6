"""Where a catalogue lies: a folder or a bucket, behind one interface."""
