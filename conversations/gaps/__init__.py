"""Gaps of the knowledge: what customers asked and got no good answer to, by subject."""
