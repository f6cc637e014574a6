"""The hybrid as pure functions: matching, features, pattern, conservation, quality flags, area of applicability."""
