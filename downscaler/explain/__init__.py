"""Explains a model by Shapley values and compares them with physical expectations."""
