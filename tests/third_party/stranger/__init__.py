"""Plugins of somebody else: one of each kind that the core has no built-in knowledge of."""
