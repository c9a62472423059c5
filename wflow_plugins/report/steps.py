"""How good samples are by the number of solver steps, computed from the trained flow.

The same starts for every number of steps, so that the curve shows the solver alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor
from wflow_core.assembly.assembly import Assembly

from wflow_core.errors import DataError, UnsupportedError
from wflow_core.interfaces.component import no_progress
from wflow_core.interfaces.solver import Solver
from wflow_core.seeds import stage_generator
from wflow_core.weights import WeightSet
from wflow_plugins.metrics.task_score import TaskScore
from wflow_plugins.report.data import RunData
from wflow_plugins.stages.sample_networks import draw_networks
from wflow_plugins.streaming.spill import stored

Say = Callable[[str], None]
"""Takes a line that tells the user what is being done."""

SECONDS = 60.0
"""About how long the sampling may take, by the seconds that the run's own sampling took."""
LEAST = 8


@dataclass(frozen=True)
class Curve:
    """``{steps: [n]}``: the main score of networks by the number of steps; ``own`` is the run's."""

    score: str
    own: int
    values: dict[int, Tensor]


def steps_curve(run: RunData, networks: int, say: Say) -> Curve | str:
    """The curve over 1, 2, 4, ... steps up to the run's own, or why there is none.

    At most ``networks`` networks a number of steps, fewer where that would take long; at the
    run's own number of steps its own samples are taken.
    """
    a = run.flow.sampled.assembly
    why = _why_not(a.solver, a.task.objective is not None)
    if why := why or too_large(run):
        return why
    own = int(a.solver.config.steps)
    counts = [2**i for i in range(own.bit_length()) if 2**i < own]
    n = _affordable(run, networks, sum(counts))
    scorer = TaskScore(a.task, a.architecture)
    try:
        found = {own: scorer.measure(run.samples, run.zoo)}
        for steps in counts:
            say(f"{n} networks in {steps} of {own} steps")
            found[steps] = scorer.measure(*[_sampled(run, steps, n)] * 2)
    except (DataError, UnsupportedError) as error:
        return f"the flow could not be sampled: {error}"
    score = next(name for name in (*run.scores, *found[own]) if name in found[own])
    return Curve(score, own, {k: found[k][score].cpu() for k in sorted(found)})


def too_large(run: RunData) -> str:
    """Why nothing is drawn that needs all networks in memory."""
    large = any(stored(of.weights) for of in (run.samples, run.zoo))
    return "its networks are more than its --memory" if large else ""


def _why_not(solver: Solver, data: bool) -> str:
    if not data:
        return "the task has no data"
    if "rtol" in type(solver.config).model_fields:
        return "the solver chooses its own steps"
    return "the solver takes a single step" if solver.config.steps < 2 else ""


def _affordable(run: RunData, networks: int, steps: int) -> int:
    """As many networks as the time for them allows."""
    took = run.mean("samples", "seconds") or 0.0
    each = took / len(run.samples) / run.flow.assembly.solver.config.steps * steps
    n = min(networks, len(run.samples))
    return n if n * each <= SECONDS else max(min(LEAST, n), int(SECONDS / each))


def _sampled(run: RunData, steps: int, n: int) -> WeightSet:
    flow, device = run.flow.sampled, run.flow.device
    generator = stage_generator(flow.assembly.spec.seed, "report", device)
    return draw_networks(
        _with_steps(flow.assembly, steps), flow.velocity, n, generator, no_progress
    )


def _with_steps(assembly: Assembly, steps: int) -> Assembly:
    solver = assembly.solver
    options = solver.config.model_dump() | {"steps": steps}
    return replace(assembly, solver=type(solver)(**options))
