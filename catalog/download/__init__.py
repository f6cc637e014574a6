"""A catalogue's items and files, downloaded and verified."""
