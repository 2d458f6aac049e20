"""Reads documents of many formats into blocks, and cuts blocks into chunks. Knows no database."""
