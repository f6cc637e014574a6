"""What is made from published days, in collections of its own: which items need work, and the work."""
