"""Many days: which need work, in what order, and by how many workers."""
