"""MNIST: 70,000 handwritten digits of 28 x 28 pixels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wflow_core.interfaces.task import Signature, Split, Task
from wflow_plugins.objectives import Classification
from wflow_plugins.tasks.data_files import DataFiles
from wflow_plugins.tasks.idx_images import (
    ImageOptions,
    image_location,
    image_signature,
    image_splits,
)

MNIST = DataFiles(
    "mnist",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    {
        "train-images-idx3-ubyte.gz": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        "train-labels-idx1-ubyte.gz": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    },
)


class Mnist(Task):
    """Handwritten digits; the official test set is ``test``.

    Source: LeCun, Cortes, Burges 1998. Reads the official IDX files.
    """

    Config = ImageOptions
    objective = Classification()

    @property
    def signature(self) -> Signature:
        return image_signature(self.config)

    @property
    def files(self) -> tuple[Path, ...]:
        return MNIST.existing_paths(self.config.data_dir)

    def locate(self) -> str:
        return image_location(MNIST, self.config)

    def load(self) -> Mapping[str, Split]:
        return image_splits(MNIST, self.config)
