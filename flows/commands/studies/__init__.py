"""Commands that train, judge and explain models."""
