"""Texts of the specs that ``wflow init`` writes, and the numbers of each size."""

from __future__ import annotations

from typing import NamedTuple

HEAD = """\
# yaml-language-server: $$schema=wflow.schema.json
# The line above lets editors complete and check: `wflow schema > wflow.schema.json` once.
# Every field and option: docs/spec.md. Override one without editing: `--set zoo.networks=500`.
name: $name                       # the run folder is runs/NAME-SEED
seed: 0                           # determines every random number
task: {type: $task}
architecture: {type: mlp, hidden: $hidden, activation: relu}
"""
TRAINED_ZOO = """\
zoo:                              # the networks to learn from, trained all at once
  type: train
  networks: $networks             # the more, the better the flow; it memorizes a few
  epochs: $epochs
  shared_batches: $shared         # false: each network has its own order of the data
  optimizer: {type: adam, lr: 1e-3}
"""
TOY = """\
# The task has no data: weights are drawn from a Gaussian, which the flow must learn.
zoo: {type: gaussian, networks: 1024, mean: 1.0, std: 1.0}
prior: {type: gaussian, mean: 0.0, std: 1.0}
coupling: {type: independent}
velocity: {type: mlp, width: 64, layers: 1}
train: {iterations: 400, batch_size: 64, optimizer: {type: adamw, lr: 3e-3}}
solver: {type: euler, steps: 64}
sample: {networks: 1024, batch_size: 1024}
metrics: [moments]
"""
METRICS = """\
sample: {networks: 64}
metrics:
  - task_score                    # score and loss of each network
  - model_average                 # of their averaged predictions
  - novelty                       # copies of the zoo, or new networks?
"""
TRAJECTORY = f"""\
# From initializations to the networks that training made of them.
prior: {{type: initializer}}
coupling: {{type: trajectory}}      # pairs each initialization with its own network
velocity: {{type: neuron_transformer, layers: $layers, width: $width}}
train:
  iterations: $iterations
  batch_size: $batch
  optimizer: {{type: adamw, lr: 3e-3}}
solver: {{type: euler, steps: 16}}
{METRICS}"""
GEOMETRIC = f"""\
# Symmetries are removed: units are matched to a reference network, and scaled to unit norm.
canonicalizers: [{{type: sinkhorn_rebasin}}, {{type: relu_sphere}}]
manifold: {{type: relu_sphere}}     # each unit is a point on a sphere
prior: {{type: gaussian, std: 0.3}} # projected onto the spheres
coupling: {{type: ot}}              # optimal transport within a batch
velocity: {{type: relational_transformer, layers: $layers, width: $width}}
train:
  iterations: $iterations
  batch_size: $batch
  predict: x1                     # the loss compares endpoints, not velocities
  optimizer: {{type: adamw, lr: 3e-3}}
solver: {{type: guided_euler, steps: 64}}
{METRICS}"""

Numbers = dict[str, dict[str, str]]
SIZES: Numbers = {
    "small": {"networks": "200", "epochs": "30", "shared": "false"},
    "medium": {"networks": "2000", "epochs": "30", "shared": "false"},
    "large": {"networks": "5000", "epochs": "60", "shared": "false"},
}
WIDE_SIZES: Numbers = {
    "small": {"networks": "100", "epochs": "1", "shared": "true"},
    "medium": {"networks": "1000", "epochs": "1", "shared": "true"},
    "large": {"networks": "2400", "epochs": "2", "shared": "true"},
}
"""Sizes for tasks of large inputs, such as images, where an epoch takes long."""


class FlowText(NamedTuple):
    """The part of a spec that describes a flow, and its numbers by size."""

    text: str
    sizes: Numbers


def _numbers(*rows: tuple[int, int, int, int]) -> Numbers:
    names = ("layers", "width", "iterations", "batch")
    named = (dict(zip(names, map(str, row), strict=True)) for row in rows)
    return dict(zip(SIZES, named, strict=True))


FLOWS = {
    "trajectory": FlowText(
        TRAJECTORY, _numbers((2, 32, 300, 32), (4, 64, 1200, 64), (6, 128, 6000, 64))
    ),
    "geometric": FlowText(
        GEOMETRIC, _numbers((2, 32, 300, 16), (3, 32, 1200, 64), (5, 64, 5000, 32))
    ),
}
