"""Weights on disk: catalog, downloads, conversion to CTranslate2 int8, manifests.

``store`` is the way in; the other modules serve it. Nothing here imports Django or torch.
"""
