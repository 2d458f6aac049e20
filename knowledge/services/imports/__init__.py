"""Imports: a file is planned row by row, looked at, applied, and can be undone.

Each step is a function that goes on where it was broken off, so that a worker may run it again.
"""
