"""MNIST and Fashion-MNIST: where their files are found, and how they are split."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from idx_files import arrays, idx, write_images

from wflow_core.errors import DataError
from wflow_core.interfaces.task import Task
from wflow_plugins.tasks import idx_images
from wflow_plugins.tasks.data_files import DataFiles
from wflow_plugins.tasks.fashion_mnist import FASHION_MNIST, FashionMnist
from wflow_plugins.tasks.mnist import MNIST, Mnist

LABELS = "train-labels-idx1-ubyte"
OFFICIAL = os.environ.get("WFLOW_DATA")


pytestmark = pytest.mark.usefixtures("no_data_elsewhere")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_images(tmp_path / "data" / "mnist")


def rows(task: Task) -> dict[str, int]:
    return {name: len(split) for name, split in task.splits.items()}


def test_splits_are_stratified_seeded_and_the_official_test_set(folder: Path) -> None:
    task = Mnist(data_dir=str(folder), val=0.25)
    assert rows(task) == {"train": 90, "val": 30, "test": 40}
    assert task.splits["val"].y.bincount().tolist() == [3] * 10
    assert task.splits["test"].y.tolist() == [i % 10 for i in range(40)]
    other = Mnist(data_dir=str(folder), val=0.25, split_seed=1)
    assert not torch.equal(other.splits["val"].x, task.splits["val"].x)
    whole = torch.cat([task.splits["train"].x, task.splits["val"].x])
    assert len(whole.unique(dim=0)) == 120


def test_pixels_are_standardised_by_two_numbers_of_the_training_split(folder: Path) -> None:
    splits = Mnist(data_dir=str(folder)).splits
    train, (grey, _) = splits["train"].x.double(), arrays(40, 40)
    assert abs(train.mean()) < 1e-6
    assert abs(train.std(correction=0) - 1) < 1e-6
    # The test set is moved by the same two numbers, which are not its own.
    x = splits["test"].x.double().flatten().numpy()
    slope, shift = np.polyfit(grey.astype(float).ravel(), x, 1)
    np.testing.assert_allclose(slope * grey.ravel() + shift, x, atol=1e-5)
    assert abs(x.mean()) > 1e-3


def test_val_is_a_count_or_a_fraction_and_train_a_stratified_part(folder: Path) -> None:
    task = Mnist(data_dir=str(folder), val=20, train=50)
    assert rows(task) == {"train": 50, "val": 20, "test": 40}
    assert task.splits["train"].y.bincount().tolist() == [5] * 10
    assert rows(Mnist(data_dir=str(folder), val=20, train=100))["train"] == 100
    for options, said in (
        ({"val": 115}, "task.val 115 cannot split 120 images: 5 rows cannot have all 10 classes"),
        ({"val": 20, "train": 101}, "val 20 and task.train 101 .*: 100 remain for training"),
        (
            {"val": 20, "train": 95},
            "val 20 and task.train 95 .*: 5 rows cannot have all 10 classes",
        ),
        ({"val": 120}, "cannot split 120 images: 120 of 120 leave 0"),
        ({"val": 5}, "cannot split 120 images: 5 rows cannot have all 10 classes"),
    ):
        with pytest.raises(DataError, match=f"^.*{said}$"):
            _ = Mnist(data_dir=str(folder), **options).splits


def test_flat_and_image_hold_the_same_pixels(folder: Path) -> None:
    flat, image = (Mnist(data_dir=str(folder), flat=flat) for flat in (True, False))
    assert flat.signature.inputs == (784,)
    assert image.signature.inputs == image.splits["val"].x.shape[1:] == (1, 28, 28)
    assert torch.equal(image.splits["val"].x.flatten(1), flat.splits["val"].x)


def test_files_may_lie_unzipped_or_be_zipped_under_a_plain_name(
    folder: Path, tmp_path: Path
) -> None:
    plain = write_images(tmp_path / "plain", zipped=False)
    wanted = Mnist(data_dir=str(folder)).fingerprint
    assert Mnist(data_dir=str(plain)).fingerprint == wanted
    for path in plain.iterdir():
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert Mnist(data_dir=str(plain)).fingerprint == wanted


def test_the_variable_names_the_folder_or_the_one_around_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (folder, folder.parent):
        monkeypatch.setenv("WFLOW_DATA", str(place))
        assert rows(Mnist(download=False))["test"] == 40
    with pytest.raises(DataError, match="the files of fashion_mnist are not available"):
        _ = FashionMnist(download=False).splits


def test_the_files_of_another_data_set_are_not_taken_for_this_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = hashlib.sha256(arrays(40, 40)[1].tobytes()).hexdigest()
    monkeypatch.setattr(idx_images, "DATASET_OF_LABELS", {labels: "mnist"})
    assert rows(Mnist(data_dir=str(folder)))["test"] == 40
    with pytest.raises(DataError, match=f"{folder}: has the data set mnist, not fashion_mnist"):
        _ = FashionMnist(data_dir=str(folder)).splits


def test_absent_files_name_every_place_and_the_fixes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WFLOW_DATA", str(tmp_path))
    partly = write_images(tmp_path / "mnist")
    (partly / f"{LABELS}.gz").unlink()
    with pytest.raises(DataError) as error:
        _ = Mnist(download=False).splits
    words = str(error.value)
    assert f"{partly}: lacks {LABELS}.gz\n" in words
    assert f"WFLOW_DATA {tmp_path}: lacks" in words
    assert f"{MNIST.url}: not contacted, since download is false" in words
    assert "set WFLOW_DATA" in words
    assert "data_dir" in words
    # What is given decides alone.
    given = tmp_path / "given"
    with pytest.raises(DataError, match=f"data_dir {given}: no such folder\nput") as error:
        _ = Mnist(data_dir=str(given)).splits
    assert str(partly) not in str(error.value)


def test_where_files_would_be_fetched_from_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WFLOW_DATA", str(tmp_path))
    monkeypatch.setattr("wflow_plugins.tasks.data_files.DataFiles._cache", lambda _: tmp_path / "c")
    said = Mnist().locate()
    looked = f"{tmp_path / 'mnist'}, {tmp_path}, {tmp_path / 'c'}"
    assert said == f"not found in {looked}; will be downloaded from {MNIST.url} when first used"
    assert list(tmp_path.iterdir()) == []
    for options in ({"download": False}, {"data_dir": str(tmp_path)}):
        with pytest.raises(DataError, match="the files of mnist are not available"):
            Mnist(**options).locate()
    monkeypatch.setattr("wflow_plugins.tasks.data_files.find_spec", lambda name: None)
    with pytest.raises(DataError, match=f"{MNIST.url}: pooch is not installed"):
        Mnist().locate()


def test_without_pooch_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wflow_plugins.tasks.data_files.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pooch is not installed(.|\n)*\[data\]"):
        _ = Mnist().splits


def test_images_and_labels_must_belong_together(folder: Path) -> None:
    labels = folder / f"{LABELS}.gz"
    labels.write_bytes(idx(arrays(119, 0)[1]))
    with pytest.raises(DataError, match=r"has 120 images, .*119 labels; put files of one"):
        _ = Mnist(data_dir=str(folder)).splits
    wrong = arrays(120, 0)[1]
    wrong[7] = 10
    labels.write_bytes(idx(wrong))
    with pytest.raises(DataError, match="has the label 10, expected 0 to 9"):
        _ = Mnist(data_dir=str(folder)).splits


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataFiles]:
    """The files of the folder, from a server on this machine."""
    pytest.importorskip("pooch", reason="needs the extra [data]")
    monkeypatch.setenv("NO_PROXY", "*")
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        sums = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in MNIST.sha256}
        yield DataFiles("mnist", f"http://127.0.0.1:{http.server_port}/", sums)
        http.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_absent_files_are_fetched_once(server: DataFiles, tmp_path: Path) -> None:
    found = server.paths(None, download=True)
    assert {path.parent for path in found.values()} == {tmp_path / "cache/wflow/mnist"}
    # From then on they are in the cache, and nobody is asked.
    assert replace(server, url="http://127.0.0.1:1/").paths(None, download=False) == found
    files = idx_images.image_splits(server, idx_images.ImageOptions())
    assert len(files["test"]) == 40


def test_a_file_with_another_checksum_is_refused_and_not_kept(
    server: DataFiles, tmp_path: Path
) -> None:
    wrong = replace(server, sha256=dict.fromkeys(server.sha256, "0" * 64))
    with pytest.raises(DataError, match=rf"{server.url}: .*hash"):
        wrong.paths(None, download=True)
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_no_network_is_one_clear_error(server: DataFiles, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"http://127.0.0.1:1/: .*\nput"):
        replace(server, url="http://127.0.0.1:1/").paths(None, download=True)
    assert not (tmp_path / "cache/wflow/mnist").exists()  # nothing empty stays behind


@pytest.mark.parametrize(("task", "files"), [(Mnist, MNIST), (FashionMnist, FASHION_MNIST)])
def test_the_official_files(
    task: type[Task], files: DataFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (root := OFFICIAL):
        pytest.skip("needs the official files in WFLOW_DATA")
    monkeypatch.setenv("WFLOW_DATA", root)
    found = files.paths(None, download=False)
    for name, path in found.items():
        if path.suffix == ".gz":
            assert hashlib.sha256(path.read_bytes()).hexdigest() == files.sha256[name]
    loaded = task(download=False)
    assert rows(loaded) == {"train": 54000, "val": 6000, "test": 10000}
    # Images and labels belong together: the nearest mean of a class is mostly the right one.
    train, test = loaded.splits["train"], loaded.splits["test"]
    means = torch.stack([train.x[train.y == label].mean(0) for label in range(10)])
    assert (torch.cdist(test.x, means).argmin(1) == test.y).double().mean() > 0.6
