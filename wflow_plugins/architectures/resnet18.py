"""The residual network of 18 layers for large images, and narrower ones."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Signature
from wflow_plugins.architectures.layers import image_shape
from wflow_plugins.architectures.residual import Residual, ResidualDesign

STAGES, BLOCKS = 4, 2


class Resnet18(Residual):
    """Four stages of two basic blocks, with the names and the layout of torchvision.

    Groups ``input``, ``stream1`` to ``stream4``, ``layer1.0 ..`` (units within a block),
    ``output``. Source: He, Zhang, Ren, Sun 2016 (arXiv 1512.03385), table 1.
    """

    class Config(Options):
        width: int = Field(
            64, ge=1, description="channels of the first stage; doubled at each next stage"
        )
        stem: Literal["large", "small"] = Field(
            "large",
            description="first layers: halve height and width twice, as for ImageNet, or keep "
            "them, as usual for CIFAR",
        )

    def __init__(self, signature: Signature, **options: Any):
        super().__init__(signature, **options)
        self.design = ResidualDesign(
            inputs=image_shape(signature, "resnet18")[0],
            outputs=signature.outputs,
            widths=tuple(self.config.width * 2**stage for stage in range(STAGES)),
            blocks=BLOCKS,
            zero_padded=False,
            small_stem=self.config.stem == "small",
            shortcut_name="downsample",
            head_name="fc",
        )
