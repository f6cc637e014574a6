"""Commands that make the product."""
