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
from wflow_plugins.tasks.pixels import standardization_table, standardize_values
from wflow_plugins.tasks.records import read_records
from wflow_plugins.tasks.splitting import split_train_val

SHAPE = (3, 32, 32)
TRAIN, TEST = tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"
ARCHIVE = Archive(
    "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", "cifar-10-batches-bin"
)
CIFAR10 = DataFiles(
    "cifar10", "https://www.cs.toronto.edu/~kriz/", dict.fromkeys((*TRAIN, TEST)), ARCHIVE
)
IMAGENET_STATISTICS = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
"""Mean and standard deviation of each channel, of values from 0 to 1."""


class Cifar10(Task):
    """Ten classes of animals and vehicles; the official test set is ``test``.

    External networks may expect channels standardised by ImageNet's statistics: see `statistics`.

    Source: Krizhevsky 2009, Learning multiple layers of features from tiny images. Reads the
    official binary version.
    """

    class Config(ImageOptions):
        data_dir: str | None = Field(
            None, description="folder of the binary files; by default `WFLOW_DATA`, then the cache"
        )
        flat: bool = Field(False, description="inputs of length 3072; else images of 3 x 32 x 32")
        test: int | None = Field(
            None, ge=1, description="number of images of the official test set; by default all"
        )
        statistics: Literal["train", "imagenet"] = Field(
            "train", description="statistics to standardise channels by: of `train` or of ImageNet"
        )
        train_files: tuple[str, ...] = Field(
            TRAIN, min_length=1, description="files of the training set, or of a subset"
        )
        test_file: str = Field(TEST, description="file of the test set")

    objective = Classification()

    @property
    def signature(self) -> Signature:
        return Signature((3 * 32 * 32,) if self.config.flat else SHAPE, CLASSES)

    @property
    def files(self) -> tuple[Path, ...]:
        return self.data_files.existing_paths(self.config.data_dir)

    @property
    def data_files(self) -> DataFiles:
        """The official files, which can be downloaded, or others in the same format."""
        files = dict.fromkeys((*self.config.train_files, self.config.test_file))
        official = files.keys() <= CIFAR10.sha256.keys()
        return replace(CIFAR10, sha256=files, url=CIFAR10.url if official else "")

    def locate(self) -> str:
        return self.data_files.locate(self.config.data_dir, self.config.download)

    def load(self) -> Mapping[str, Split]:
        o = self.config
        paths = self.data_files.paths(o.data_dir, o.download)
        images, labels = _read_files([paths[file] for file in o.train_files])
        test = _read_files([paths[o.test_file]])
        train, val = split_train_val(labels, o.val, o.train, o.split_seed)
        rows = {"train": (images[train], labels[train]), "val": (images[val], labels[val])}
        rows["test"] = (test[0][: o.test], test[1][: o.test])
        tables = self._tables(rows["train"][0])
        return {
            name: Split(
                torch.from_numpy(_standardize(x, tables)).reshape(len(x), *self.signature.inputs),
                torch.from_numpy(y.astype(np.int64)),
            )
            for name, (x, y) in rows.items()
        }

    def _tables(self, train: np.ndarray) -> list[np.ndarray]:
        """``[256]`` for each channel: the standardised values of a pixel."""
        if self.config.statistics == "imagenet":
            return [standardize_values(255 * mean, 255 * std) for mean, std in IMAGENET_STATISTICS]
        return [standardization_table(train[:, channel]) for channel in range(SHAPE[0])]


def _read_files(paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Images ``[M, 3, 32, 32]`` and labels ``[M]`` of all files, concatenated."""
    images, labels = zip(*(read_records(path, SHAPE, CLASSES) for path in paths), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def _standardize(images: np.ndarray, tables: list[np.ndarray]) -> np.ndarray:
    """``[M, 3, 32, 32]``, float32: pixels looked up in the table of their channel."""
    standardized = np.empty(images.shape, np.float32)
    for channel, table in enumerate(tables):
        standardized[:, channel] = table[images[:, channel]]
    return standardized
