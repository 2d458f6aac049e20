"""Answers that are given again: the answer cache."""
