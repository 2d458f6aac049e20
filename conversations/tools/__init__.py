"""Tools at work: what the ladder calls, and the changes that customers confirm."""
