"""The score of samples by the number of solver steps, computed from the trained flow.

Every number of steps has the same initial points, so that the curve shows the solver alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from wflow_core.errors import DataError, UnsupportedError
from wflow_core.interfaces.component import no_progress
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.solver import Solver
from wflow_core.seeds import stage_generator
from wflow_core.weights import WeightSet
from wflow_plugins.metrics.task_score import TaskScore
from wflow_plugins.report.data import RunData
from wflow_plugins.stages.sample_networks import sample_networks
from wflow_plugins.stages.trained_flow import load_velocity
from wflow_plugins.streaming.spill import SpillDir

Say = Callable[[str], None]
"""Takes a line that tells the user what is being done."""
MAX_SECONDS = 60.0
"""What sampling may take, as estimated from the seconds of the run's own sampling."""
MIN_NETWORKS = 8
EXCEEDS_MEMORY = "the networks exceed the memory budget of the run"


@dataclass(frozen=True)
class StepsCurve:
    """The main score of networks by the number of solver steps.

    Attributes:
        own: the number of steps of the run.
        values: ``{steps: [n]}``, in the order of steps.
    """

    score: str
    own: int
    values: dict[int, Tensor]


def steps_curve(run: RunData, networks: int, say: Say) -> StepsCurve | str:
    """The curve over 1, 2, 4, ... steps up to the run's own, or why there is none.

    Args:
        networks: sampled for each number of steps, at most; fewer where that would take long. For
            the run's own number of steps its samples are used.
    """
    c = run.flow.sampled
    if why := _why_not(c.solver, c.task.objective is not None):
        return why
    if run.exceeds_memory:
        return EXCEEDS_MEMORY
    own = int(c.solver.config.steps)
    counts = [2**i for i in range(own.bit_length()) if 2**i < own]
    n = _affordable(run, networks, sum(counts))
    scorer = TaskScore(c.task, c.architecture)
    try:
        found = {own: scorer.measure(run.samples, run.zoo)}
        for steps in counts:
            say(f"{n} networks in {steps} of {own} steps")
            found[steps] = scorer.measure(_sample(run, steps, n), run.zoo)
    except (DataError, UnsupportedError) as error:
        return f"the flow could not be sampled: {error}"
    score = next(name for name in (*run.scores, *found[own]) if name in found[own])
    return StepsCurve(score, own, {k: found[k][score].cpu() for k in sorted(found)})


def _why_not(solver: Solver, has_data: bool) -> str:
    if not has_data:
        return "the task has no data"
    if "rtol" in type(solver.config).model_fields:
        return "the solver chooses its own steps"
    return "the solver takes a single step" if solver.config.steps < 2 else ""


def _affordable(run: RunData, networks: int, steps: int) -> int:
    """The number of networks that the time for them allows."""
    seconds = run.mean("samples", "seconds") or 0.0
    per_network = seconds / len(run.samples) / run.components.solver.config.steps * steps
    n = min(networks, len(run.samples))
    if n * per_network <= MAX_SECONDS:
        return n
    return max(min(MIN_NETWORKS, n), int(MAX_SECONDS / per_network))


def _sample(run: RunData, steps: int, n: int) -> WeightSet:
    """``n`` networks as the run samples them, but in so many steps."""
    flow, c = run.flow, _with_steps(run.flow.sampled, steps)
    request = replace(run.components.stages["sample"].request(), networks=n)
    generator = stage_generator(c.seed, "report", flow.device)
    velocity, in_memory = load_velocity(c, flow.artefact.tensors), SpillDir(None, flow.run.folder)
    return sample_networks(
        c, flow.flow_of(c), velocity, request, lambda: flow.zoo, generator, no_progress, in_memory
    )


def _with_steps(components: Components, steps: int) -> Components:
    solver = components.solver
    other = type(solver)(**(dict(solver.config) | {"steps": steps}))
    return replace(components, built={**components.built, ("solver",): other})
