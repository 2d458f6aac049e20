"""Several OpenAI-compatible servers behind one ``ChatClient``.

``assembly.backends_make`` is the way in; ``specs`` reads the setting, ``pool`` chooses and falls
back, ``breaker`` and ``shared_breaker`` keep requests from a server that fails. Nothing here
imports Django.
"""
