"""Which units the program treats alike, by colour refinement.

Every atom starts with a hash of the values that it labels; each round mixes in the colours of the
atoms that it was unified with. Units whose atoms have equal colours may be exchanged, and the
colour of an atom distinguishes the axes of one unit. Source: Weisfeiler & Leman 1968.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wflow_plugins.architectures.tracing.tracer import Tracer
from wflow_plugins.architectures.tracing.units import IntArray

HashArray = NDArray[np.uint64]
MAX_ROUNDS = 12


def hash_words(*words: HashArray | IntArray | int) -> HashArray:
    """A hash of words, which broadcast (splitmix64)."""
    total: HashArray = np.zeros(1, np.uint64)
    for word in words:
        total = total + np.asarray(word).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        total = (total ^ (total >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        total = (total ^ (total >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        total = total ^ (total >> np.uint64(31))
    return total


def refine_colors(t: Tracer) -> HashArray:
    """``[atoms]``: the colour of each atom, a hash of its use in the program."""
    color = np.zeros(len(t.units.root), np.uint64)
    for value in t.values:
        for number, factor in enumerate(value.factors):
            atoms, tags = (x.ravel() for x in factor.labels)
            has_unit = atoms > 0
            hashes = hash_words(value.number, number, tags[has_unit])
            np.add.at(color, atoms[has_unit], hashes)
    for number, atoms, positions in t.positions:
        np.add.at(color, atoms, hash_words(number, 2, positions))
    first, second, operation = _edges(t)
    count = len(np.unique(color))
    for _ in range(MAX_ROUNDS):
        refined = hash_words(color)
        np.add.at(refined, first, hash_words(color[second], operation))
        np.add.at(refined, second, hash_words(color[first], operation, 1))
        color, before, count = refined, count, len(np.unique(refined))
        if count == before:
            break
    return color


def used_atoms(t: Tracer) -> NDArray[np.bool_]:
    """``[atoms]``: whether any operation uses an atom."""
    used = np.zeros(len(t.units.root), np.bool_)
    for value in t.values:
        for factor in value.factors if value.parameter is None else ():
            used[factor.atoms[factor.atoms > 0]] = True
    first, second, _ = _edges(t)
    used[first] = used[second] = True
    return used


def _edges(t: Tracer) -> tuple[IntArray, IntArray, IntArray]:
    """``[edges]`` each: first atom, second atom, number of the operation."""
    edges = [e for e in t.units.edges if len(e[0])]
    if not edges:
        return (np.zeros(0, np.int64),) * 3
    operations = [np.full(len(a), operation) for a, _, operation in edges]
    return (
        np.concatenate([a for a, _, _ in edges]),
        np.concatenate([b for _, b, _ in edges]),
        np.concatenate(operations),
    )
