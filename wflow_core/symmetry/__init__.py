"""Symmetries of architectures: groups, how they act on weights, graphs and matching."""

from wflow_core.symmetry.groups import Group, GroupElement, Part
from wflow_core.symmetry.symmetry import Symmetry

__all__ = ["Group", "GroupElement", "Part", "Symmetry"]
