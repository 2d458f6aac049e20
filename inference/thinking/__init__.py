"""Reasoning before an answer: its prompts, its budget, and how it is told from the answer."""
