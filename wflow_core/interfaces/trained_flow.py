"""A finished run: samples more networks, measures them, predicts with them.

>>> flow = wflow_core.load("runs/breast_cancer-0")
>>> networks = flow.sample(16, seed=1).state_dicts()
>>> probabilities = flow.predict(x)
>>> density = flow.log_prob(flow.samples).value
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component, ProgressCallback, no_progress
from wflow_core.weights import WeightSet


class TrainedFlow(ABC):
    """The trained flow of a run folder, as ``wflow_core.load`` gives it.

    Attributes:
        zoo: the networks that the flow was trained on, after canonicalization.
        samples: the networks that the run sampled.
    """

    zoo: WeightSet
    samples: WeightSet

    @abstractmethod
    def sample(
        self,
        n: int,
        seed: int = 0,
        progress: ProgressCallback = no_progress,
        architecture: Architecture | None = None,
        condition: Mapping[str, Any] | None = None,
        guidance_scale: float | None = None,
    ) -> WeightSet:
        """``n`` new networks; ``state_dicts()`` of the result fit the architecture's module.

        Args:
            architecture: of other widths; that of the run's own samples by default.
            condition: what the samples are conditioned on, such as ``{"loss": 0.1}``; that of the
                spec by default.
            guidance_scale: weight of the condition; that of the spec by default.

        Raises:
            UnsupportedError: the flow cannot sample this architecture; says why.
            DataError: the flow cannot be conditioned on that.
        """

    @abstractmethod
    def evaluate(
        self,
        networks: WeightSet | None = None,
        metrics: Sequence[Component | str] | None = None,
        seed: int | None = None,
        progress: ProgressCallback = no_progress,
    ) -> dict[str, Any]:
        """Measure networks beside the zoo and the baselines, as the run measured its samples.

        Args:
            networks: of the run's samples' or its zoo's architecture; the samples by default.
            metrics: by name, or instances; those of the spec by default.
            seed: of the baselines; the run's by default, which gives the run's own numbers.

        Returns:
            The content of ``metrics.json`` without ``seconds``.

        Raises:
            PluginError: a metric is unknown.
            SpaceError: a metric needs what the run does not offer.
            DataError: there are no networks, or they are of another architecture.
        """

    @abstractmethod
    def predict(self, x: Tensor, networks: WeightSet | None = None) -> Tensor:
        """Average prediction of networks (the run's samples) for inputs ``[B, *inputs]``.

        Returns:
            ``[B, C]``: class probabilities, or for regression the mean.

        Raises:
            UnsupportedError: the task has no data, so that outputs have no meaning.
        """

    @abstractmethod
    def log_prob(self, networks: WeightSet | Tensor, seed: int = 0, **options: Any) -> Any:
        """Log-density of networks under the flow, in nats, under the volume of its manifold.

        Args:
            networks: or their weights ``[N, P]``, on the manifold. Permuted copies of a network
                are different networks here.
            seed: of the probes that estimate a divergence.
            options: of the implementation.

        Raises:
            UnsupportedError: the flow has no density; says why.
            DataError: networks do not lie on the manifold, or the integration diverged.
        """
