"""Trials: question sets asked of what is published and of what might be, and what came of it."""
