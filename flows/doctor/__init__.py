"""What the product needs, checked one by one before the first day and whenever something is in doubt."""
