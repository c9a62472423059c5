"""Images of digits or things, 28 x 28 in ten classes, from four IDX files.

Shapes: M images.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from wflow_core.errors import DataError
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Signature, Split
from wflow_plugins.tasks.data_files import DataFiles
from wflow_plugins.tasks.idx import read_idx
from wflow_plugins.tasks.pixels import standardising
from wflow_plugins.tasks.splitting import train_and_val

SIDE, CLASSES = 28, 10
FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
Pairs = dict[str, tuple[np.ndarray, np.ndarray]]
# SHA-256 of the official test labels, for the data sets name their files alike.
OWNERS = {
    "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5": "mnist",
    "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9": "fashion_mnist",
}


class ImageOptions(Options):
    """Which rows are used, and in which shape."""

    data_dir: str | None = Field(
        None, description="folder of the four IDX files; by default `WFLOW_DATA`, then the cache"
    )
    download: bool = Field(True, description="whether absent files are fetched, where pooch is")
    flat: bool = Field(True, description="inputs of length 784; else images of 1 x 28 x 28")
    val: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="images of the official training set for validation, or their fraction"
    )
    train: int | None = Field(
        None, ge=CLASSES, description="images for training; by default all that are left"
    )
    split_seed: int = Field(
        0, ge=0, lt=2**32, description="seed of the splits; not the run's, to compare seeds"
    )


def image_signature(options: ImageOptions) -> Signature:
    """What a network for these images takes and gives."""
    return Signature((SIDE * SIDE,) if options.flat else (1, SIDE, SIDE), CLASSES)


def image_place(files: DataFiles, options: ImageOptions) -> str:
    """The folder of the files, which are neither read nor fetched.

    Raises:
        DataError: no place holds them all, and they cannot be fetched.
    """
    return files.locate(options.data_dir, options.download)


def image_splits(files: DataFiles, options: ImageOptions) -> dict[str, Split]:
    """The official test set as ``test``, slices of the training set as ``train`` and ``val``.

    Standardised by the one mean and the one standard deviation of all pixels of ``train``.

    Raises:
        DataError: files are absent, damaged, do not belong together, or are too few to split.
    """
    pairs = _read(files, options)
    images, labels = pairs["train"]
    train, val = train_and_val(labels, options.val, options.train, options.split_seed)
    rows = {
        "train": (images[train], labels[train]),
        "val": (images[val], labels[val]),
        "test": pairs["test"],
    }
    shape = image_signature(options).inputs
    values = standardising(rows["train"][0])
    return {
        name: Split(
            torch.from_numpy(values[x]).reshape(len(x), *shape),
            torch.from_numpy(y.astype(np.int64)),
        )
        for name, (x, y) in rows.items()
    }


def _read(files: DataFiles, options: ImageOptions) -> Pairs:
    paths = files.find(options.data_dir, options.download)
    pairs = {}
    for split, (of_images, of_labels) in FILES.items():
        images = read_idx(paths[of_images], SIDE, SIDE)
        labels = read_idx(paths[of_labels])
        if len(images) != len(labels):
            raise DataError(
                f"{paths[of_images]} holds {len(images)} images, {paths[of_labels]} "
                f"{len(labels)} labels; put files of one data set into the folder"
            )
        if labels.max() >= CLASSES:
            raise DataError(
                f"{paths[of_labels]}: holds the label {labels.max()}, wanted 0 to {CLASSES - 1}; "
                "get the file anew from the source of the data set"
            )
        pairs[split] = (images, labels)
    owner = OWNERS.get(hashlib.sha256(pairs["test"][1].tobytes()).hexdigest(), files.name)
    if owner != files.name:
        place = paths["t10k-labels-idx1-ubyte.gz"].parent
        raise DataError(f"{place}: holds the data set {owner}, not {files.name}; give its folder")
    return pairs
