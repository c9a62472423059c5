"""What populations of networks are called, and what they are."""

from __future__ import annotations

LABELS = {
    "samples": "samples",
    "zoo": "zoo",
    "collected": "collected",
    "untrained": "untrained",
    "zoo_noise": "zoo + noise",
    "interpolation": "interpolation",
    "soup": "soup",
    "gaussian": "Gaussian fit",
    "retrained": "retrained",
}
MEANINGS = {
    "samples": "what the flow made",
    "zoo": "the trained networks that the flow learned from",
    "collected": "the zoo before its canonicalizers moved it",
    "untrained": "draws of the initialiser: far from everything, good at nothing",
    "zoo_noise": "zoo networks with noise, as far from the zoo as the samples are",
    "interpolation": "midpoints of two zoo networks, one aligned to the other",
    "soup": "means of five zoo networks, four aligned to the first",
    "gaussian": "draws of a Gaussian fitted to the aligned zoo",
    "retrained": "further networks trained as the zoo was, which the samples stand in for",
}
IN_WORDS = {
    "untrained": "untrained networks",
    "zoo_noise": "zoo networks plus noise",
    "interpolation": "midpoints of zoo networks",
    "soup": "soups of zoo networks",
    "gaussian": "a Gaussian fit",
}
"""The cheap nulls, in a sentence."""


def label(population: str) -> str:
    """A population as tables and figures name it."""
    return LABELS.get(population, population)


def heading(name: str) -> str:
    """A name at the beginning of a line."""
    return name[:1].upper() + name[1:]
