"""Calls of tools that a model writes into its answer: found, repaired, checked."""
