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

from wflow_core.artefacts import weight_set
from wflow_core.assembly import Assembly, assemble, at
from wflow_core.density import FlowDensity, refuse_flow
from wflow_core.devices import choose
from wflow_core.errors import DataError, UnsupportedError
from wflow_core.evaluation import Evaluation
from wflow_core.evaluation import evaluate as evaluate_networks
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.canonicalizer import canonical
from wflow_core.interfaces.component import Report, silent
from wflow_core.interfaces.metric import Metric
from wflow_core.likelihood import LogProb
from wflow_core.named_metrics import metrics_of
from wflow_core.run_folder import finished, run_spec
from wflow_core.seeds import stage_generator
from wflow_core.spec import load_spec
from wflow_core.stages import draw_networks, flow_density
from wflow_core.store import Store
from wflow_core.transfer import one_of
from wflow_core.weights import WeightSet


class TrainedFlow:
    """The flow of a run folder, ready to sample.

    Attributes:
        assembly: the run's components.
        velocity: the network with its trained weights.
        density: the log-density of networks; ``log_prob`` with the options of evaluation.
        sampled: the same at the architecture that samples are of, which a spec may say.
    """

    def __init__(self, assembly: Assembly, store: Store, device: torch.device):
        self.assembly, self.store, self.device = assembly, store, device
        self.density = flow_density(assembly, finished(store, "train", "flow"), device)
        self.velocity = self.density.velocity
        self.sampled = self.density.at(assembly.sampled)
        if assembly.codec:
            code = finished(store, "encode", "codec").tensors
            assembly.codec.load_state({n: t.to(device) for n, t in code.items()})

    @property
    def samples(self) -> WeightSet:
        """The networks that the run left."""
        return self._networks("sample", "samples")

    @property
    def zoo(self) -> WeightSet:
        """The networks that it learned from."""
        moved = self.assembly.canonicalizers
        return self._networks("canonicalize", "canonical") if moved else self.collected

    @property
    def collected(self) -> WeightSet:
        """The zoo before canonicalizers moved it."""
        return self._networks("collect", "zoo")

    @property
    def reference(self) -> WeightSet:
        """The networks that samples are compared with: the zoo, or those of their architecture."""
        return self._compared(self.sampled.assembly)[0]

    def _compared(self, a: Assembly) -> tuple[WeightSet, WeightSet | None]:
        """What networks of an assembly are compared with, and the same before canonicalizers."""
        if a is self.assembly:
            return self.zoo, self.collected if a.canonicalizers else None
        trained = self._networks("reference", "reference")
        return canonical(a.canonicalizers, trained), trained if a.canonicalizers else None

    def _networks(self, stage: str, name: str) -> WeightSet:
        return weight_set(finished(self.store, stage, name), self.device)

    def _chosen(self, networks: WeightSet | None, why: str) -> tuple[WeightSet, FlowDensity]:
        """Networks, the run's samples where none are given, and the flow at their architecture."""
        chosen = self.samples if networks is None else networks.to(self.device)
        if not len(chosen):
            raise DataError(f"there is no network to {why}: `networks` is empty")
        return chosen, one_of((self.sampled, self.density), chosen)

    def sample(
        self,
        n: int,
        seed: int = 0,
        report: Report = silent,
        architecture: Architecture | None = None,
    ) -> WeightSet:
        """``n`` new networks. ``state_dicts()`` of the result fit the architecture's module.

        Args:
            architecture: of other widths, such as ``Mlp(signature, hidden=[32])``; that of the
                run's own samples by default.

        Raises:
            UnsupportedError: the flow cannot sample this architecture; says why.
        """
        if n < 1:
            raise DataError(f"at least one network can be sampled; got {n}")
        # Another stream than the run's own samples, so that the same seed makes others.
        generator = stage_generator(seed, "sample more", self.device)
        flow = self.density.at(at(self.assembly, architecture)) if architecture else self.sampled
        return draw_networks(flow.assembly, flow.velocity, n, generator, report)

    def evaluate(
        self,
        networks: WeightSet | None = None,
        metrics: Sequence[Metric | str] | None = None,
        seed: int | None = None,
        report: Report = silent,
    ) -> Evaluation:
        """Measure ``networks`` beside the zoo and the nulls, as the run measured its samples.

        Args:
            networks: of the run's samples' or its zoo's architecture; the samples by default.
            metrics: by name, or made; those of the spec by default.
            seed: of the nulls; the run's by default, which gives the run's own numbers.

        Raises:
            PluginError: a metric is unknown.
            SpaceError: a metric needs what the run does not offer.
            UnsupportedError: a metric looks at the density of the flow, which has none.
            DataError: there are no networks, or they are of another architecture.
        """
        chosen, flow = self._chosen(networks, "evaluate")
        a = flow.assembly
        wanted = a.metrics if metrics is None else [m for of in metrics for m in metrics_of(a, of)]
        if any(metric.density for metric in wanted):
            refuse_flow(a)  # before nulls are made
        generator = stage_generator(a.spec.seed if seed is None else seed, "evaluate", self.device)
        zoo, before = self._compared(a)
        return evaluate_networks(
            wanted, a.architecture, a.zoo, zoo, chosen, generator, report, before, flow,
            a.canonicalizers,
        )  # fmt: skip

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
        flow = one_of((self.sampled, self.density), networks)
        return flow(chosen.to(self.device), generator=generator, **options)

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
        chosen, flow = self._chosen(networks, "predict with")
        run = flow.assembly.architecture.networks
        outputs = run(chosen.weights, x.to(self.device), chosen.buffers)
        return objective.predictions(objective.average(outputs))


def load(folder: Path | str, device: torch.device | str = "cpu") -> TrainedFlow:
    """The trained flow of a run folder.

    Raises:
        StoreError: the folder is no run, or its training is not finished.
        SpecError: a plugin that the run used is not installed.
        WflowError: there is no such device here.
    """
    where, store = choose(device), Store(Path(folder))
    return TrainedFlow(assemble(load_spec(run_spec(store.folder))), store, where)
