"""Reports as self-contained pages: the model's, the validation's and the playground's, with their figures."""
