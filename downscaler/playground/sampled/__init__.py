"""The playground of a domain too large to hold: cells drawn from all of it, with their weights."""
