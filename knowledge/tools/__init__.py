"""Tools: what the desk may look up or change in a shop's own systems for a customer.

``values`` says what a tool is and what came of a call; ``calls`` makes one, over HTTP (``http_calls``)
or in Python (``functions``); ``addresses`` decides which machines may be called.
"""
