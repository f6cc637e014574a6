"""Many days: which need work, in what order, by how many workers."""
