"""The thesis's toy: weights drawn from one Gaussian to another, no data."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Signature, Split, Task


class GaussianToy(Task):
    """Only the shape of networks, none of their work; go with the zoo `gaussian`.

    Source: Geometric Flow Models over Neural Network Weights, section 7.1.
    """

    class Config(Options):
        inputs: int = Field(30, ge=1, description="inputs of a network")
        outputs: int = Field(2, ge=1, description="outputs of a network")

    offers = frozenset()

    @property
    def signature(self) -> Signature:
        return Signature((self.config.inputs,), self.config.outputs)

    def load(self) -> Mapping[str, Split]:
        return {}
