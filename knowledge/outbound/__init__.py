"""Requests that the desk makes to machines which somebody else named: safe against being led astray.

``addresses`` says which machines may be called, ``requests`` makes one request to one of them.
"""
