"""Which units the program treats alike.

Every atom gets a hash of the values that it labels and of the atoms that it meets. Units whose
atoms have the same hashes may be exchanged; the hash of an atom tells the axes of one unit apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wflow_plugins.architectures.tracing.tracer import Tracer
from wflow_plugins.architectures.tracing.units import IntArray

HashArray = NDArray[np.uint64]
ROUNDS = 12


def hash_words(*words: HashArray | IntArray | int) -> HashArray:
    """A hash of words (splitmix64)."""
    total: HashArray = np.zeros(1, np.uint64)
    for word in words:
        total = total + np.asarray(word).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        total = (total ^ (total >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        total = (total ^ (total >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        total = total ^ (total >> np.uint64(31))
    return total


def refine_colors(t: Tracer) -> HashArray:
    """``[atoms]``: what the program does with each atom."""
    kind = np.zeros(len(t.units.root), np.uint64)
    for value in t.values:
        for number, factor in enumerate(value.factors):
            atoms, tags = (x.ravel() for x in factor.labels)
            known = atoms > 0
            np.add.at(kind, atoms[known], hash_words(value.number, number, tags[known]))
    for number, atoms, places in t.places:
        np.add.at(kind, atoms, hash_words(number, 2, places))
    first, second, operation = _edges(t)
    count = len(np.unique(kind))
    for _ in range(ROUNDS):
        refined = hash_words(kind)
        np.add.at(refined, first, hash_words(kind[second], operation))
        np.add.at(refined, second, hash_words(kind[first], operation, 1))
        kind, before, count = refined, count, len(np.unique(refined))
        if count == before:
            break
    return kind


def used_atoms(t: Tracer) -> NDArray[np.bool_]:
    """``[atoms]``: whether anything is done with an atom."""
    alive = np.zeros(len(t.units.root), np.bool_)
    for value in t.values:
        for factor in value.factors if value.parameter is None else ():
            alive[factor.atoms[factor.atoms > 0]] = True
    first, second, _ = _edges(t)
    alive[first] = alive[second] = True
    return alive


def _edges(t: Tracer) -> tuple[IntArray, IntArray, IntArray]:
    edges = [e for e in t.units.edges if len(e[0])]
    if not edges:
        return (np.zeros(0, np.int64),) * 3
    operations = [np.full(len(a), operation) for a, _, operation in edges]
    return (
        np.concatenate([a for a, _, _ in edges]),
        np.concatenate([b for _, b, _ in edges]),
        np.concatenate(operations),
    )
