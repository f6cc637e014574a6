"""Downloads and verifies items and files of a catalogue."""
