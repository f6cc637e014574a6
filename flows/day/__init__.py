"""One day: job, granules, inputs, production, and the record of the attempt."""
