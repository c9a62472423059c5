"""What an evaluation holds in memory, and how often it aligns the zoo."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from plugin_support import tensors, tiny, wflow, write_spec
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from wflow_core.assembly.assemble import assemble
from wflow_core.interfaces.baseline import BaselineContext
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.specs.spec import spec_from_text
from wflow_core.weights import WeightSet
from wflow_plugins.evaluation.evaluation import evaluate
from wflow_plugins.evaluation.populations import Populations
from wflow_plugins.matching import distances, matching


class Allocations(TorchDispatchMode):
    """Bytes of the largest tensor that operations made, and the most that were alive at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, int] = {}
        self.largest = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            if isinstance(tensor, Tensor):
                self._note(tensor.untyped_storage())
        return found

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self.alive:
            self.alive[key] = storage.nbytes()
            self.largest = max(self.largest, storage.nbytes())
            self.peak = max(self.peak, sum(self.alive.values()))
            weakref.finalize(storage, self.alive.pop, key)


def assembled(**lines: str) -> Components:
    return assemble(spec_from_text(tiny(**lines)))


def drawn(c: Components, n: int, seed: int) -> WeightSet:
    weights = c.architecture.initialize(n, torch.Generator().manual_seed(seed))
    return WeightSet.from_module(c.architecture.template, weights)


@pytest.mark.parametrize("name", ["novelty", "weight_distance", "loss_barrier"])
def test_pairs_take_no_more_memory_than_the_zoo(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once, either side of the pairs would be several times as large as the zoo."""
    c = assembled(
        architecture="{type: mlp, hidden: [16, 16, 16, 16]}", metrics=f"[{name}]", baselines="[]"
    )
    zoo, samples = drawn(c, 80, 0), drawn(c, 64, 1)
    size = zoo.weights.nbytes
    monkeypatch.setattr(distances, "PAIR_BYTES", size // 4)
    with Allocations() as seen:
        evaluate(c, c.metrics, Populations(samples, zoo), torch.Generator().manual_seed(2))
    assert seen.largest <= size
    assert seen.peak <= 6 * size


def test_a_run_aligns_the_zoo_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Tensor] = []
    match = matching.match

    def counted(symmetry: Any, weights: Tensor, *of: Any, **options: Any) -> Any:
        called.append(weights)
        return match(symmetry, weights, *of, **options)

    for module in (matching, distances):
        monkeypatch.setattr(module, "match", counted)
    lines = {"metrics": "[novelty]", "baselines": "[zoo_noise, gaussian]", "hooks": "[]"}
    result = wflow("run", write_spec(tmp_path, tiny(**lines)), "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    zoo = tensors(tmp_path / "run", "zoo")["weights"]
    assert sum(torch.equal(of, zoo) for of in called) == 1
    assert len(called) > 10  # pairs


class Watching(Metric):
    """Looks which earlier baselines are in memory, and holds on to none."""

    known: list[weakref.ref[Tensor]]
    others: tuple[WeightSet, ...]

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        if not any(samples is other for other in self.others):
            self.check()
            self.known.append(weakref.ref(samples.weights))
        return {}

    def check(self) -> None:
        assert [of() for of in self.known] == [None] * len(self.known)


def test_baselines_are_made_and_measured_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    c = assembled(metrics="[task_score, novelty, loss_barrier]")
    zoo, samples = drawn(c, 12, 0), drawn(c, 5, 1)
    watching = Watching(c.task, c.architecture)
    watching.known, watching.others = [], (zoo, samples)

    def checked(make: Callable[[BaselineContext], WeightSet]) -> Callable[..., WeightSet]:
        def first_look(context: BaselineContext) -> WeightSet:
            watching.check()
            return make(context)

        return first_look

    for baseline in c.baselines.values():
        monkeypatch.setattr(baseline, "make", checked(baseline.make))
    generator = torch.Generator().manual_seed(2)
    evaluate(c, [*c.metrics, watching], Populations(samples, zoo), generator)
    assert len(watching.known) == len(c.baselines) == 6
