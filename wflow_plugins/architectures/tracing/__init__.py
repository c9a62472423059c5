"""Finds the groups and parts of any torch module: a small compiler from its program.

``program`` runs ``rules`` over what torch.export captures; ``units`` joins the entries of axes
that are one unit; ``kinds`` and ``grouping`` make groups of units that the program treats alike;
``drafts`` makes parts; ``scales`` and ``families`` find what units may be scaled by; ``verify``
tries all of it.
"""

from wflow_plugins.architectures.tracing.found import Found, find, traced

__all__ = ["Found", "find", "traced"]
