"""The web process: Daphne with bounds on what it buffers, close codes that arrive, and a drain."""
