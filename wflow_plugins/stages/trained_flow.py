"""The trained flow of a run folder. Shapes: N networks, P weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from wflow_core import registry
from wflow_core.errors import DataError, SpaceError, UnsupportedError
from wflow_core.flows.flow import Flow
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component, ProgressCallback, no_progress
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.metric import Metric
from wflow_core.interfaces.stage import FinishedRun
from wflow_core.interfaces.trained_flow import TrainedFlow
from wflow_core.interfaces.velocity import Velocity
from wflow_core.seeds import stage_generator
from wflow_core.space import collect_offers, unmet_needs
from wflow_core.storage.tensors import read_weight_set
from wflow_core.weights import WeightSet
from wflow_plugins.evaluation.evaluation import evaluate
from wflow_plugins.evaluation.populations import populations
from wflow_plugins.likelihood.flow_density import FlowDensity
from wflow_plugins.likelihood.log_prob import LogProb
from wflow_plugins.stages.sample_networks import sample_networks
from wflow_plugins.stages.width_transfer import at_architecture, select
from wflow_plugins.streaming.row_writing import tie_lifetime
from wflow_plugins.streaming.spill import SpillDir, budget_of


class NetworkFlow(TrainedFlow):
    """A flow over network weights, with its trained velocity.

    Args:
        flow_of: the flow that the velocity was trained for, from components.

    Attributes:
        components: of the run; ``sampled`` the same at the architecture of its samples.
        velocity: the network with its trained weights.
    """

    def __init__(self, run: FinishedRun, flow_of: Callable[[Components], Flow]):
        self.run, self.flow_of, self.device = run, flow_of, run.device
        self.components = run.components
        self.sampled = self.components.stages["sample"].components(self.components)
        self.artefact = run.artefact("flow")
        self.velocity = self._velocity(self.components)

    @cached_property
    def zoo(self) -> WeightSet:  # type: ignore[override]
        return self._networks("zoo")

    @cached_property
    def samples(self) -> WeightSet:  # type: ignore[override]
        return self._networks("samples")

    @cached_property
    def collected(self) -> WeightSet:
        """The zoo before canonicalizers moved it."""
        return self._networks("zoo@collect")

    def sample(
        self,
        n: int,
        seed: int = 0,
        progress: ProgressCallback = no_progress,
        architecture: Architecture | None = None,
        condition: Mapping[str, Any] | None = None,
        guidance_scale: float | None = None,
    ) -> WeightSet:
        if n < 1:
            raise DataError(f"at least one network can be sampled; got {n}")
        # Another stream than the run's own samples, so that the same seed makes others.
        generator = stage_generator(seed, "sample more", self.device)
        c = at_architecture(self.components, architecture) if architecture else self.sampled
        changes = {"networks": n, "condition": condition, "guidance_scale": guidance_scale}
        own = self.components.stages["sample"].request()
        request = replace(own, **{k: v for k, v in changes.items() if v is not None})
        folder = TemporaryDirectory(prefix="wflow-")
        spill = SpillDir(budget_of(self.run.storage), Path(folder.name))
        flow, velocity = self.flow_of(c), self._velocity(c)
        zoo = lambda: self.zoo  # noqa: E731
        drawn = sample_networks(c, flow, velocity, request, zoo, generator, progress, spill)
        return tie_lifetime(drawn, folder)

    def evaluate(
        self,
        networks: WeightSet | None = None,
        metrics: Sequence[Component | str] | None = None,
        seed: int | None = None,
        progress: ProgressCallback = no_progress,
    ) -> dict[str, Any]:
        chosen, c = self._chosen(networks, "evaluate")
        wanted = list(c.metrics)
        if metrics is not None:
            wanted = [metric for of in metrics for metric in named_metrics(c, of)]
        for metric in wanted:
            metric.check(self.components)
        seed = self.components.seed if seed is None else seed
        generator = stage_generator(seed, "evaluate", self.device)
        beside = populations(self.run, c, chosen)
        return evaluate(c, wanted, beside, generator, progress, self).numbers

    @torch.no_grad()
    def predict(self, x: Tensor, networks: WeightSet | None = None) -> Tensor:
        objective = self.components.task.objective
        if objective is None:
            raise UnsupportedError("the task of this run has no data: there is nothing to predict")
        chosen, c = self._chosen(networks, "predict with")
        outputs = c.architecture.batched(chosen.weights, x.to(self.device), chosen.buffers)
        return objective.to_probabilities_or_values(objective.average(outputs))

    def log_prob(self, networks: WeightSet | Tensor, seed: int = 0, **options: Any) -> LogProb:
        """Log-density of networks; options are those of
        :class:`~wflow_plugins.likelihood.flow_density.FlowDensity`."""
        w = networks.weights if isinstance(networks, WeightSet) else networks
        generator = stage_generator(seed, "log_prob", self.device)
        density = self.density_of(networks)
        return density(w.to(self.device), generator=generator, **options)

    def density_of(self, networks: WeightSet | Tensor) -> FlowDensity:
        """The density at the architecture of networks."""
        c, batch_size = self._of(networks), self.components.stages["sample"].config.batch_size
        return FlowDensity(c, self.flow_of(c), self._velocity(c), batch_size)

    def held_out(self, networks: WeightSet) -> WeightSet:
        """Networks of the zoo whose training runs the flow was not trained on."""
        if self.sampled is not self.components:
            return networks  # of another architecture, all of them
        runs = torch.tensor(self.artefact.data["held_out"], device=networks.run.device)
        kept = torch.isin(networks.run, runs.to(networks.run))
        return networks[kept.nonzero().squeeze(1)]

    def _velocity(self, components: Components) -> Velocity:
        return load_velocity(components, self.artefact.tensors).to(self.device)

    def _networks(self, name: str) -> WeightSet:
        return read_weight_set(self.run.artefact(name), self.device)

    def _chosen(self, networks: WeightSet | None, what: str) -> tuple[WeightSet, Components]:
        """Networks, by default the run's samples, and components of their architecture."""
        chosen = self.samples if networks is None else networks.to(self.device)
        if not len(chosen):
            raise DataError(f"there is no network to {what}: `networks` is empty")
        return chosen, self._of(chosen)

    def _of(self, networks: WeightSet | Tensor) -> Components:
        known = [(c.architecture, c) for c in (self.sampled, self.components)]
        return select(known, networks)


def load_velocity(components: Components, tensors: Mapping[str, Tensor]) -> Velocity:
    """The velocity with trained weights; that of the components stays untrained."""
    velocity = copy.deepcopy(components.velocity)
    velocity.load_state_dict(dict(tensors))
    return velocity.eval()


def named_metrics(c: Components, metric: Component | str) -> list[Metric]:
    """Metrics of a name: as the spec has them, else one with its defaults.

    Raises:
        PluginError: there is none of that name.
        SpaceError: it needs what the run does not offer.
    """
    if isinstance(metric, Metric):
        return [metric]
    names = [of["type"] for of in c.resolved["metrics"]]
    if of_spec := [m for name, m in zip(names, c.metrics, strict=True) if name == metric]:
        return of_spec
    cls = registry.load("metric", str(metric))
    offers = collect_offers([c.task, c.architecture, c.zoo]) | c.space.offers
    if reasons := unmet_needs(cls, offers):
        raise SpaceError(f"metric {metric!r} {'; '.join(reasons)}")
    context = {n: c.scope[n] for n in registry.context_of("metric") if n in c.scope}
    made: Metric = cls(**context)
    return [made]
