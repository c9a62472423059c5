"""CIFAR-10: 60,000 colour photographs of 32 x 32 pixels in ten classes.

Shapes: M images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field

from wflow_core.interfaces.task import Signature, Split, Task
from wflow_plugins.objectives import Classification
from wflow_plugins.tasks.data_files import Archive, DataFiles
from wflow_plugins.tasks.idx_images import CLASSES, ImageOptions
from wflow_plugins.tasks.pixels import moved, standardising
from wflow_plugins.tasks.records import read_records
from wflow_plugins.tasks.splitting import train_and_val

SHAPE = (3, 32, 32)
TRAIN, TEST = tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"
ARCHIVE = Archive(
    "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", "cifar-10-batches-bin"
)
CIFAR10 = DataFiles(
    "cifar10", "https://www.cs.toronto.edu/~kriz/", dict.fromkeys((*TRAIN, TEST)), ARCHIVE
)
IMAGENET = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
"""Mean and deviation of each channel, of values from 0 to 1."""


class Cifar10(Task):
    """Ten kinds of animals and vehicles; the official test set is ``test``.

    Networks of others may expect the mean and deviation of ImageNet's channels: `statistics`.

    Source: Krizhevsky 2009, Learning multiple layers of features from tiny images. Reads the
    official binary version.
    """

    class Config(ImageOptions):
        data_dir: str | None = Field(
            None, description="folder of the binary files; by default `WFLOW_DATA`, then the cache"
        )
        flat: bool = Field(False, description="inputs of length 3072; else images of 3 x 32 x 32")
        test: int | None = Field(
            None, ge=1, description="images of the official test set, its first; by default all"
        )
        statistics: Literal["train", "imagenet"] = Field(
            "train", description="what channels are standardised by: those of `train`, ImageNet's"
        )
        train_files: tuple[str, ...] = Field(
            TRAIN, min_length=1, description="files of the training set; a slice has its own"
        )
        test_file: str = Field(TEST, description="file of the test set")

    objective = Classification()

    @property
    def signature(self) -> Signature:
        return Signature((3 * 32 * 32,) if self.config.flat else SHAPE, CLASSES)

    @property
    def files(self) -> tuple[Path, ...]:
        return self.data_files.present(self.config.data_dir)

    @property
    def data_files(self) -> DataFiles:
        """Official files, which a server has, or others of their format."""
        wanted = dict.fromkeys((*self.config.train_files, self.config.test_file))
        official = wanted.keys() <= CIFAR10.sha256.keys()
        return replace(CIFAR10, sha256=wanted, url=CIFAR10.url if official else "")

    def locate(self) -> str:
        return self.data_files.locate(self.config.data_dir, self.config.download)

    def load(self) -> Mapping[str, Split]:
        o = self.config
        paths = self.data_files.find(o.data_dir, o.download)
        images, labels = _joined([paths[file] for file in o.train_files])
        test = _joined([paths[o.test_file]])
        train, val = train_and_val(labels, o.val, o.train, o.split_seed)
        rows = {"train": (images[train], labels[train]), "val": (images[val], labels[val])}
        rows["test"] = (test[0][: o.test], test[1][: o.test])
        values = self._values(rows["train"][0])
        return {
            name: Split(
                torch.from_numpy(_looked_up(x, values)).reshape(len(x), *self.signature.inputs),
                torch.from_numpy(y.astype(np.int64)),
            )
            for name, (x, y) in rows.items()
        }

    def _values(self, train: np.ndarray) -> list[np.ndarray]:
        """``[256]`` a channel: what each value of a pixel becomes."""
        if self.config.statistics == "imagenet":
            return [moved(255 * mean, 255 * std) for mean, std in IMAGENET]
        return [standardising(train[:, channel]) for channel in range(SHAPE[0])]


def _joined(paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Images ``[M, 3, 32, 32]`` and labels ``[M]`` of files, one after another."""
    images, labels = zip(*(read_records(path, SHAPE, CLASSES) for path in paths), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def _looked_up(images: np.ndarray, values: list[np.ndarray]) -> np.ndarray:
    """``[M, 3, 32, 32]``, float32."""
    found = np.empty(images.shape, np.float32)
    for channel, value in enumerate(values):
        found[:, channel] = value[images[:, channel]]
    return found
