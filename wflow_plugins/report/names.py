"""Names and descriptions of populations of networks."""

from __future__ import annotations

LABELS = {"zoo_noise": "zoo + noise", "gaussian": "Gaussian fit"}
"""Labels that differ from the name."""
MEANINGS = {
    "samples": "networks sampled from the flow",
    "zoo": "the trained networks that the flow learned from",
    "collected": "the zoo before its canonicalizers moved it",
    "untrained": "draws of the initialiser: far from everything, good at nothing",
    "zoo_noise": "zoo networks with noise, as far from the zoo as the samples are",
    "interpolation": "midpoints of two zoo networks, one aligned to the other",
    "soup": "means of five zoo networks, four aligned to the first",
    "gaussian": "draws of a Gaussian fitted to the aligned zoo",
    "retrained": "further networks trained as the zoo was, which the samples stand in for",
}
PHRASES = {
    "untrained": "untrained networks",
    "zoo_noise": "zoo networks plus noise",
    "interpolation": "midpoints of zoo networks",
    "soup": "soups of zoo networks",
    "gaussian": "a Gaussian fit",
}
"""Cheap baselines, in a sentence."""


def label(population: str) -> str:
    """The name of a population in tables and figures."""
    return LABELS.get(population, population)


def phrase(baseline: str) -> str:
    """A cheap baseline in a sentence."""
    return PHRASES.get(baseline, f"the baseline {baseline}")


def capitalize(name: str) -> str:
    """A name at the beginning of a line."""
    return name[:1].upper() + name[1:]
