"""The residual networks for small images of He et al., of 20 layers or more, and narrower ones."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Signature
from wflow_plugins.architectures.layers import image_shape
from wflow_plugins.architectures.residual import Residual, ResidualDesign

STAGES = 3


class Resnet20(Residual):
    """Three stages of basic blocks, with the names of akamaster's CIFAR-10 checkpoints.

    Groups ``input``, ``stream1`` to ``stream3``, ``layer1.0 ..`` (units within a block),
    ``output``. Source: He, Zhang, Ren, Sun 2016 (arXiv 1512.03385), section 4.2.
    """

    class Config(Options):
        depth: int = Field(20, description="layers with weights: 6 n + 2 for n blocks per stage")
        width: int = Field(
            16, ge=1, description="channels of the first stage; doubled at each next stage"
        )
        shortcut: Literal["padded", "projected"] = Field(
            "padded",
            description="shortcuts between stages: zeros as new channels (option A), or a "
            "convolution (option B)",
        )

        @field_validator("depth")
        @classmethod
        def _whole_blocks(cls, depth: int) -> int:
            if depth < 8 or depth % 6 != 2:
                raise ValueError(f"needs 6 n + 2 layers: 8, 14, 20, 32 ..., got {depth}")
            return depth

    def __init__(self, signature: Signature, **options: Any):
        super().__init__(signature, **options)
        self.design = ResidualDesign(
            inputs=image_shape(signature, "resnet20")[0],
            outputs=signature.outputs,
            widths=tuple(self.config.width * 2**stage for stage in range(STAGES)),
            blocks=(self.config.depth - 2) // (2 * STAGES),
            zero_padded=self.config.shortcut == "padded",
            small_stem=True,
            shortcut_name="shortcut",
            head_name="linear",
        )
