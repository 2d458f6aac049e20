"""Decides whether a generated answer may be shown: only what its passages support.

Pure Python: no Django, no model. ``check.SupportCheck`` is the way in; ``relevance`` tells whether a
passage speaks of what a question asks about, ``fallback`` gives the passage's own words, and
``clauses`` cuts a streamed answer into the pieces that are checked.
"""
