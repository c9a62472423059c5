"""A finished run as an object: sample more networks, predict with them.

>>> flow = wflow_core.load("runs/breast_cancer-0")
>>> networks = flow.sample(16, seed=1).state_dicts()
>>> probabilities = flow.predict(x)
>>> density = flow.log_prob(flow.samples).value
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from wflow_core.assembly.assemble import assemble, at
from wflow_core.assembly.assembly import Assembly
from wflow_core.assembly.density import FlowDensity, refuse_flow
from wflow_core.assembly.named_metrics import metrics_of
from wflow_core.assembly.transfer import one_of
from wflow_core.conditions import Wanted
from wflow_core.devices import choose
from wflow_core.errors import DataError, UnsupportedError
from wflow_core.flows.classifier_free import ask
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Report, silent
from wflow_core.interfaces.metric import Metric
from wflow_core.log_probs import LogProb
from wflow_core.measures.evaluation import Evaluation, evaluate as evaluate_networks
from wflow_core.memory import Memory
from wflow_core.runs.drawing import draw_networks
from wflow_core.runs.finished_run import FinishedRun
from wflow_core.runs.run_folder import finished, run_spec
from wflow_core.runs.stages import flow_density
from wflow_core.runs.streaming import Scratch, refuse_memory
from wflow_core.seeds import stage_generator
from wflow_core.specs.spec import load_spec
from wflow_core.storage.row_writing import keeping
from wflow_core.storage.store import Store
from wflow_core.weights import WeightSet


class TrainedFlow(FinishedRun):
    """The flow of a run folder, ready to sample.

    Attributes:
        velocity: the network with its trained weights.
        density: the log-density of networks; ``log_prob`` with the options of evaluation.
        sampled: the same at the architecture that samples are of, which a spec may say.
    """

    def __init__(self, assembly: Assembly, store: Store, device: torch.device):
        super().__init__(assembly, store, device)
        a = self.assembly
        self.density = flow_density(a, finished(store, "train", "flow"), device)
        self.velocity = self.density.velocity
        self.sampled = self.density.at(a.sampled)

    @property
    def reference(self) -> WeightSet:
        """The networks that samples are compared with: the zoo, or those of their architecture."""
        return self.compared(self.sampled.assembly)[0]

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
        condition: Wanted | None = None,
        guidance_scale: float | None = None,
    ) -> WeightSet:
        """``n`` new networks. ``state_dicts()`` of the result fit the architecture's module.

        Where ``memory`` is limited and they are too large, they lie in temporary files.

        Args:
            architecture: of other widths, such as ``Mlp(signature, hidden=[32])``; that of the
                run's own samples by default.
            condition: values of records, such as ``{"loss": 0.1}``, of a flow that is conditioned
                on them; others are as networks of the zoo have them. Those of the spec by default.
            guidance_scale: weight of the condition; that of the spec by default.

        Raises:
            UnsupportedError: the flow cannot sample this architecture; says why.
            DataError: the flow is not conditioned on that, or its records have no such value.
        """
        if n < 1:
            raise DataError(f"at least one network can be sampled; got {n}")
        # Another stream than the run's own samples, so that the same seed makes others.
        generator = stage_generator(seed, "sample more", self.device)
        flow = self.density.at(at(self.assembly, architecture)) if architecture else self.sampled
        a, options = flow.assembly, self.assembly.spec.sample.asking(condition, guidance_scale)
        asked = ask(a.space.conditions, options, lambda: self.zoo, n, generator)
        folder = TemporaryDirectory(prefix="wflow-")
        scratch = Scratch(self.store.memory, Path(folder.name))
        drawn = draw_networks(a, flow.velocity, n, generator, report, asked, scratch)
        return keeping(drawn, folder)

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
        zoo, before = self.compared(a)
        return evaluate_networks(wanted, a.nulls, zoo, chosen, generator, report, before, flow)

    def log_prob(self, networks: WeightSet | Tensor, seed: int = 0, **options: Any) -> LogProb:
        """Log-density of networks under the flow, in nats, under the volume of its manifold.

        Args:
            networks: or their weights ``[N, P]``. They must lie on the manifold; of networks that
                a permutation of units makes each other, each is taken as it is given.
            seed: of the probes.
            options: ``represent``, ``coordinates`` and ``condition`` as ``FlowDensity`` has them;
                ``divergence``, ``probes``, ``distribution`` and ``steps`` as ``log_prob`` has them.

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


def load(
    folder: Path | str,
    device: torch.device | str = "cpu",
    allow_code: bool = False,
    memory: Memory | str | None = None,
) -> TrainedFlow:
    """The trained flow of a run folder.

    Args:
        allow_code: import the code that its spec names, which may do anything.
        memory: what networks may take, such as ``"4GB"``; larger weight sets stay in files.

    Raises:
        StoreError: the folder is no run, or its training is not finished.
        SpecError: a plugin that the run used is not installed, or it names code.
        WflowError: there is no such device here, or memory is too little for a single network.
    """
    where, budget = choose(device), Memory.of(memory) if isinstance(memory, str) else memory
    store = Store(Path(folder), budget)
    assembly = assemble(load_spec(run_spec(store.folder), allow_code=allow_code))
    refuse_memory(budget, assembly, where)
    return TrainedFlow(assembly, store, where)
