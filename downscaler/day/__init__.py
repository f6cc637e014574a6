"""A day of the product: its inputs, its gaps, its downscaling, and the record of how it was made."""
