"""Asks the questions of trials, behind every customer, and finds questions for sets."""
