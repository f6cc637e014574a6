"""The catalogue's documents: items, their parents, links, index and schemas."""
