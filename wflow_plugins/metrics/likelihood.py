"""How likely networks are under the flow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.interfaces.trained_flow import TrainedFlow
from wflow_core.weights import WeightSet
from wflow_plugins.likelihood.flow_density import FlowDensity, check_flow_has_density
from wflow_plugins.stages.trained_flow import NetworkFlow


class Likelihood(Metric):
    """Negative log-likelihood under the trained flow, in nats a coordinate, of each network.

    Of the zoo, the training runs that were held out are measured. Every population is brought to
    its representatives, the density of which is taken, under the volume of their manifold: numbers
    of flows on other manifolds or with other canonicalizers do not compare.
    ``standard_error`` is the mean over networks of that of Hutchinson's estimate, null where the
    divergence is exact; ``outside`` is the fraction that the prior cannot reach, whose likelihood
    is zero. With one such network the mean is null.

    Source: Chen et al. 2018 (arXiv 1806.07366); see :py:mod:`wflow_plugins.likelihood.solve`.

    Raises:
        UnsupportedError: the flow has no density: a noisy solver, a guidance, a codec, or a prior
            or manifold without one.
    """

    class Config(Options):
        networks: int = Field(32, ge=1, description="random networks that are measured at most")
        divergence: Literal["auto", "exact", "hutchinson"] = Field(
            "auto", description="exact, or estimated by probes; auto: exact up to 64 coordinates"
        )
        probes: int = Field(8, ge=1, description="probes a network, where it is estimated")
        probe_distribution: Literal["rademacher", "gaussian"] = Field(
            "rademacher", description="of the probes"
        )
        steps: int | None = Field(None, ge=1, description="of the solver; as the spec has it")
        seed: int = Field(0, ge=0, description="of the choice of networks, and of the probes")
        renamed: ClassVar[Mapping[str, str]] = {"distribution": "probe_distribution"}

    needs_flow = True

    def check(self, components: Components) -> None:
        check_flow_has_density(components.stages["sample"].components(components))

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        raise UnsupportedError("likelihood is measured with a trained flow; there is none here")

    def measure_with_flow(
        self, flow: TrainedFlow, samples: WeightSet, zoo: WeightSet
    ) -> MetricTree:
        o, generator = self.config, torch.Generator().manual_seed(self.config.seed)
        chosen = torch.randperm(len(samples), generator=generator)[: o.networks]
        networks = samples[chosen.to(samples.weights.device)]
        density = density_of(flow, networks)
        found = density(
            networks,
            represent=True,
            divergence=o.divergence,
            probes=o.probes,
            probe_distribution=o.probe_distribution,
            steps=o.steps,
            generator=generator,
        )
        nll, error = -found.value / density.dim, found.standard_error
        return {
            "likelihood": {
                "nll": nll,
                "standard_error": _number(error.mean() / density.dim)
                if error is not None
                else None,
                "outside": _number(nll.isposinf().float().mean()),
                "networks": len(networks),
            }
        }


def density_of(flow: TrainedFlow, networks: WeightSet) -> FlowDensity:
    """The density of a flow at the architecture of networks."""
    if not isinstance(flow, NetworkFlow):
        raise UnsupportedError(f"likelihood: the density of {flow!r} is not known")
    return flow.density_of(networks)


def _number(value: Tensor) -> float | None:
    number = value.item()
    return number if math.isfinite(number) else None
