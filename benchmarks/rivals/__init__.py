"""Other programs that run the same weights, built and served for a comparison."""
