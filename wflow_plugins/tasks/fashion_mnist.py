"""Fashion-MNIST: 70,000 pieces of clothing of 28 x 28 pixels."""

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

FASHION_MNIST = DataFiles(
    "fashion_mnist",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    {
        "train-images-idx3-ubyte.gz": (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
        "train-labels-idx1-ubyte.gz": (
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
        ),
    },
)


class FashionMnist(Task):
    """Ten kinds of clothing; the official test set is ``test``.

    Source: Xiao, Rasul, Vollgraf 2017 (arXiv 1708.07747). Reads the official IDX files.
    """

    Config = ImageOptions
    objective = Classification()

    @property
    def signature(self) -> Signature:
        return image_signature(self.config)

    @property
    def files(self) -> tuple[Path, ...]:
        return FASHION_MNIST.existing_paths(self.config.data_dir)

    def locate(self) -> str:
        return image_location(FASHION_MNIST, self.config)

    def load(self) -> Mapping[str, Split]:
        return image_splits(FASHION_MNIST, self.config)
