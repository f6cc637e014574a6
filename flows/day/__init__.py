"""One day: its job, its granules, its inputs, its making, and how its attempt ended."""
