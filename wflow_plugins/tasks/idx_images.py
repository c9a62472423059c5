"""Images of 28 x 28 pixels in ten classes, from four IDX files.

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
from wflow_plugins.tasks.pixels import standardization_table
from wflow_plugins.tasks.splitting import split_train_val

SIDE, CLASSES = 28, 10
FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
LabelledImages = dict[str, tuple[np.ndarray, np.ndarray]]
# SHA-256 of the official test labels, since the data sets have the same file names.
DATASET_OF_LABELS = {
    "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5": "mnist",
    "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9": "fashion_mnist",
}


class ImageOptions(Options):
    """Options of an image task: files, splits and input shape."""

    data_dir: str | None = Field(
        None, description="folder of the four IDX files; by default `WFLOW_DATA`, then the cache"
    )
    download: bool = Field(True, description="download missing files (requires pooch)")
    flat: bool = Field(True, description="inputs of length 784; else images of 1 x 28 x 28")
    val: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="validation images of the official training set: number or fraction"
    )
    train: int | None = Field(
        None, ge=CLASSES, description="training images; by default all remaining"
    )
    split_seed: int = Field(
        0, ge=0, lt=2**32, description="seed of the splits, independent of the run's seed"
    )


def image_signature(options: ImageOptions) -> Signature:
    """Input and output shape of a network for these images."""
    return Signature((SIDE * SIDE,) if options.flat else (1, SIDE, SIDE), CLASSES)


def image_location(files: DataFiles, options: ImageOptions) -> str:
    """The folder of the files, in words; nothing is read or downloaded.

    Raises:
        DataError: no folder has all files, and they cannot be downloaded.
    """
    return files.locate(options.data_dir, options.download)


def image_splits(files: DataFiles, options: ImageOptions) -> dict[str, Split]:
    """The official test set as ``test``, subsets of the training set as ``train`` and ``val``.

    Standardised by one mean and one standard deviation of all pixels of ``train``.

    Raises:
        DataError: files are missing, damaged or of different data sets, or have too few images.
    """
    splits = _read(files, options)
    images, labels = splits["train"]
    train, val = split_train_val(labels, options.val, options.train, options.split_seed)
    rows = {
        "train": (images[train], labels[train]),
        "val": (images[val], labels[val]),
        "test": splits["test"],
    }
    shape = image_signature(options).inputs
    table = standardization_table(rows["train"][0])
    return {
        name: Split(
            torch.from_numpy(table[x]).reshape(len(x), *shape),
            torch.from_numpy(y.astype(np.int64)),
        )
        for name, (x, y) in rows.items()
    }


def _read(files: DataFiles, options: ImageOptions) -> LabelledImages:
    paths = files.paths(options.data_dir, options.download)
    splits = {}
    for split, (image_file, label_file) in FILES.items():
        images = read_idx(paths[image_file], SIDE, SIDE)
        labels = read_idx(paths[label_file])
        if len(images) != len(labels):
            raise DataError(
                f"{paths[image_file]} has {len(images)} images, {paths[label_file]} "
                f"{len(labels)} labels; put files of one data set into the folder"
            )
        if labels.max() >= CLASSES:
            raise DataError(
                f"{paths[label_file]}: has the label {labels.max()}, expected 0 to {CLASSES - 1}; "
                "download the file again from the source of the data set"
            )
        splits[split] = (images, labels)
    dataset = DATASET_OF_LABELS.get(
        hashlib.sha256(splits["test"][1].tobytes()).hexdigest(), files.name
    )
    if dataset != files.name:
        folder = paths["t10k-labels-idx1-ubyte.gz"].parent
        raise DataError(f"{folder}: has the data set {dataset}, not {files.name}; set its folder")
    return splits
