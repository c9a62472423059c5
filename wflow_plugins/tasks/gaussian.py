"""The toy task of the thesis: a flow between two Gaussians over weights, without data."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Signature, Split, Task


class GaussianToy(Task):
    """Input and output sizes only, without data, for use with the zoo `gaussian`.

    Source: Geometric Flow Models over Neural Network Weights, section 7.1.
    """

    class Config(Options):
        inputs: int = Field(30, ge=1, description="number of inputs")
        outputs: int = Field(2, ge=1, description="number of outputs")

    offers = frozenset()

    @property
    def signature(self) -> Signature:
        return Signature((self.config.inputs,), self.config.outputs)

    def load(self) -> Mapping[str, Split]:
        return {}
