"""A finished run as an object: sample more networks, predict with them.

>>> flow = wflow_core.load("runs/breast_cancer-0")
>>> networks = flow.sample(16, seed=1).state_dicts()
>>> probabilities = flow.predict(x)
>>> density = flow.log_prob(flow.samples).value
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wflow_core import registry
from wflow_core.artefacts import weight_set
from wflow_core.assembly import Assembly, assemble
from wflow_core.density import refuse_flow
from wflow_core.devices import choose
from wflow_core.errors import DataError, SpaceError, StoreError, UnsupportedError
from wflow_core.evaluation import Evaluation
from wflow_core.evaluation import evaluate as evaluate_networks
from wflow_core.interfaces.component import Report, silent
from wflow_core.interfaces.metric import Metric
from wflow_core.interfaces.velocity import Velocity
from wflow_core.likelihood import LogProb
from wflow_core.run_folder import RECORD, run_spec
from wflow_core.seeds import stage_generator
from wflow_core.space import missing, offered
from wflow_core.spec import load_spec
from wflow_core.stages import draw_networks, flow_density
from wflow_core.store import Artefact, Store
from wflow_core.weights import WeightSet


class TrainedFlow:
    """The flow of a run folder, ready to sample.

    Attributes:
        assembly: the run's components.
        velocity: the network with its trained weights.
        density: the log-density of networks; ``log_prob`` with the options of evaluation.
        samples: the networks that the run left.
        zoo: the networks that it learned from.
    """

    def __init__(self, assembly: Assembly, store: Store, device: torch.device):
        self.assembly, self.store, self.device = assembly, store, device
        self.density = flow_density(assembly, self._load("train", "flow"), device)
        if assembly.codec:
            code = self._load("encode", "codec").tensors
            assembly.codec.load_state({n: t.to(device) for n, t in code.items()})

    @property
    def velocity(self) -> Velocity:
        return self.density.velocity

    @property
    def samples(self) -> WeightSet:
        return weight_set(self._load("sample", "samples"), self.device)

    @property
    def zoo(self) -> WeightSet:
        moved = bool(self.assembly.canonicalizers)
        name = ("canonicalize", "canonical") if moved else ("collect", "zoo")
        return weight_set(self._load(*name), self.device)

    @property
    def collected(self) -> WeightSet:
        """The zoo before canonicalizers moved it."""
        return weight_set(self._load("collect", "zoo"), self.device)

    def _load(self, stage: str, name: str) -> Artefact:
        """An artefact that the record knows as this spec's, not one that another run left."""
        record = self.store.read_json(RECORD) or {}
        noted = record.get("stages", {}).get(stage, {}).get("key")
        if self.store.key(name) != noted:
            raise StoreError(
                f"{self.store.folder / name}: not of a finished stage {stage!r}; "
                "the same `wflow run` goes on from here"
            )
        return self.store.load(name)

    def sample(self, n: int, seed: int = 0, report: Report = silent) -> WeightSet:
        """``n`` new networks. ``state_dicts()`` of the result fit the architecture's module."""
        if n < 1:
            raise DataError(f"at least one network can be sampled; got {n}")
        # Another stream than the run's own samples, so that the same seed makes others.
        generator = stage_generator(seed, "sample more", self.device)
        return draw_networks(self.assembly, self.velocity, n, generator, report)

    def evaluate(
        self,
        networks: WeightSet | None = None,
        metrics: Sequence[Metric | str] | None = None,
        seed: int | None = None,
        report: Report = silent,
    ) -> Evaluation:
        """Measure ``networks`` beside the zoo and the nulls, as the run measured its samples.

        Args:
            networks: of the run's architecture; the run's own samples by default.
            metrics: by name, or made; those of the spec by default.
            seed: of the nulls; the run's by default, which gives the run's own numbers.

        Raises:
            PluginError: a metric is unknown.
            SpaceError: a metric needs what the run does not offer.
            UnsupportedError: a metric looks at the density of the flow, which has none.
        """
        a = self.assembly
        chosen = self.samples if networks is None else networks.to(self.device)
        if not len(chosen):
            raise DataError("there is no network to evaluate: `networks` is empty")
        wanted = a.metrics if metrics is None else [self._metric(m) for m in metrics]
        if any(metric.density for metric in wanted):
            refuse_flow(a)  # before nulls are made
        generator = stage_generator(a.spec.seed if seed is None else seed, "evaluate", self.device)
        before = self.collected if a.canonicalizers else None
        return evaluate_networks(
            wanted, a.architecture, a.zoo, self.zoo, chosen, generator, report, before,
            self.density, a.canonicalizers,
        )  # fmt: skip

    def _metric(self, metric: Metric | str) -> Metric:
        """A metric by name: as the spec has it, else with its defaults."""
        if isinstance(metric, Metric):
            return metric
        a = self.assembly
        of_spec = dict(zip((slot.type for slot in a.spec.metrics), a.metrics, strict=True))
        if metric in of_spec:
            return of_spec[metric]
        cls = registry.load("metric", metric)
        offers = offered([a.task, a.architecture, a.zoo]) | a.space.offers
        if reasons := missing(cls, offers):
            raise SpaceError(f"metric {metric!r} {'; '.join(reasons)}")
        made: Metric = cls(a.task, a.architecture)
        return made

    def log_prob(self, networks: WeightSet | Tensor, seed: int = 0, **options: Any) -> LogProb:
        """Log-density of networks under the flow, in nats, under the volume of its manifold.

        Args:
            networks: or their weights ``[N, P]``. They must lie on the manifold; of networks that
                a permutation of units makes each other, each is taken as it is given.
            seed: of the probes.
            options: ``represent`` and ``coordinates`` of ``wflow_core.density.FlowDensity``;
                ``divergence``, ``probes``, ``distribution`` and ``steps`` of
                ``wflow_core.likelihood.log_prob``.

        Raises:
            UnsupportedError: the flow has no density; says why.
            DataError: networks do not lie on the manifold, or the solve diverged.
        """
        chosen = networks.weights if isinstance(networks, WeightSet) else networks
        generator = stage_generator(seed, "log_prob", self.device)
        return self.density(chosen.to(self.device), generator=generator, **options)

    @torch.no_grad()
    def predict(self, x: Tensor, networks: WeightSet | None = None) -> Tensor:
        """Average prediction of ``networks`` (the run's samples) for inputs ``[B, *inputs]``.

        Returns:
            ``[B, C]``: class probabilities, or for regression the mean.

        Raises:
            UnsupportedError: the task has no data, so that outputs mean nothing.
        """
        objective = self.assembly.task.objective
        if objective is None:
            raise UnsupportedError("the task of this run has no data: there is nothing to predict")
        chosen = self.samples if networks is None else networks
        if not len(chosen):
            raise DataError("there is no network to predict with: `networks` is empty")
        outputs = self.assembly.architecture.networks(
            chosen.weights, x.to(self.device), chosen.buffers
        )
        return objective.predictions(objective.average(outputs))


def load(folder: Path | str, device: torch.device | str = "cpu") -> TrainedFlow:
    """The trained flow of a run folder.

    Raises:
        StoreError: the folder is no run, or its training is not finished.
        SpecError: a plugin that the run used is not installed.
        WflowError: there is no such device here.
    """
    place, where = Path(folder), choose(device)
    assembly = assemble(load_spec(run_spec(place)))
    return TrainedFlow(assembly, Store(place), where)
