"""Commands that build what the product is made from."""
