"""Plugins for wflow: the architecture ``wide_and_deep`` and the manifold ``cylinder``."""
