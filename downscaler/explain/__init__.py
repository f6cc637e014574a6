"""What a model learned, by Shapley values, held against what physics expects."""
