"""Requirements that the core itself knows; a plugin may define its own with :class:`Need`."""

from __future__ import annotations

from wflow_core.interfaces.component import Need

DATA = Need("data", "a task with data; this task has none")
SYMMETRY = Need("symmetry", "the symmetry of the weights; after a codec, coordinates have none")
INITIALIZER = Need("initializer", "the architecture's initialiser in weight space, without a codec")
INITIALISATIONS = Need("initialisations", "a zoo that knows the initialisation of each network")
RETRAINING = Need("retraining", "a zoo that can train further networks")
INITIAL_POINTS = Need("initial_points", "a manifold on which initialisations lie")
FLAT = Need("flat", "a flat manifold")
CONDITIONS = Need("conditions", "a velocity that can be conditioned")
