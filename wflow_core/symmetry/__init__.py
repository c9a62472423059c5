"""Symmetries of architectures: groups, how they act on weights, graphs and matching."""

from wflow_core.symmetry.groups import Element, Group, Part
from wflow_core.symmetry.symmetry import Symmetry

__all__ = ["Element", "Group", "Part", "Symmetry"]
