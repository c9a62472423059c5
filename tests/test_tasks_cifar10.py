"""CIFAR-10: files of records, whole and damaged, and the real slice with a real network."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from record_files import arrays, records, write_records

from wflow_core.errors import DataError
from wflow_plugins.architectures.resnet20 import Resnet20
from wflow_plugins.tasks.cifar10 import CIFAR10, IMAGENET_STATISTICS, TEST, TRAIN, Cifar10
from wflow_plugins.tasks.data_files import Archive, DataFiles
from wflow_plugins.tasks.records import read_records
from wflow_plugins.zoos.checkpoints import Checkpoints

OFFICIAL = os.environ.get("WFLOW_DATA")
CHECKPOINT = "resnet20-12fca82f.th"
SLICE = {
    "train_files": ("cifar10_subset/data_batch_1_first1000.bin",),
    "test_file": "cifar10_subset/test_batch_first1000.bin",
    "statistics": "imagenet",
}


pytestmark = pytest.mark.usefixtures("no_data_elsewhere")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_records(tmp_path / "data" / "cifar10")


def test_splits_are_stratified_slices_and_the_official_test_set(folder: Path) -> None:
    task = Cifar10(data_dir=str(folder), val=30, train=60, test=20)
    splits = task.splits
    assert {n: len(s) for n, s in splits.items()} == {"train": 60, "val": 30, "test": 20}
    assert splits["train"].y.bincount().tolist() == [6] * 10
    assert splits["test"].y.tolist() == [i % 10 for i in range(20)]
    assert splits["val"].x.shape[1:] == task.signature.inputs == (3, 32, 32)
    whole = Cifar10(data_dir=str(folder), val=15)
    assert {n: len(s) for n, s in whole.splits.items()} == {"train": 135, "val": 15, "test": 30}
    flat = Cifar10(data_dir=str(folder), val=15, flat=True)
    assert flat.signature.inputs == (3072,)
    assert torch.equal(flat.splits["test"].x, whole.splits["test"].x.flatten(1))
    with pytest.raises(DataError, match=r"task.val 150 cannot split 150 images"):
        _ = Cifar10(data_dir=str(folder), val=150).splits


def test_channels_are_standardised_by_the_training_split_or_by_imagenet(folder: Path) -> None:
    train = Cifar10(data_dir=str(folder)).splits["train"].x.double()
    assert train.mean((0, 2, 3)).abs().max() < 1e-6
    assert train.std((0, 2, 3), correction=0).sub(1).abs().max() < 1e-6
    test = Cifar10(data_dir=str(folder), statistics="imagenet").splits["test"].x
    images = torch.from_numpy(arrays(30, 5)[0]).double() / 255
    for channel, (mean, std) in enumerate(IMAGENET_STATISTICS):
        wanted = (images[:, channel] - mean) / std
        torch.testing.assert_close(test[:, channel].double(), wanted, rtol=1e-6, atol=1e-6)


def test_files_lie_in_the_folder_of_the_archive_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Cifar10(data_dir=str(folder)).fingerprint
    moved = folder.rename(folder.parent / "cifar-10-batches-bin")
    for place in (moved, moved.parent):
        assert Cifar10(data_dir=str(place), download=False).fingerprint == wanted
        monkeypatch.setenv("WFLOW_DATA", str(place))
        assert Cifar10(download=False).fingerprint == wanted


def test_a_slice_has_files_of_its_own_and_no_server(folder: Path) -> None:
    (folder / "few.bin").write_bytes((folder / TRAIN[2]).read_bytes())
    task = Cifar10(data_dir=str(folder), train_files=["few.bin"], val=10)
    assert {n: len(s) for n, s in task.splits.items()} == {"train": 20, "val": 10, "test": 30}
    with pytest.raises(DataError, match=r"no download URL is known\nput absent.bin, "):
        Cifar10(train_files=["absent.bin"]).locate()
    assert Cifar10(train_files=TRAIN[:2]).data_files.url == CIFAR10.url
    assert (
        Cifar10()
        .locate()
        .endswith("downloaded from https://www.cs.toronto.edu/~kriz/ when first used")
    )


IMAGES, LABELS = arrays(3, 0)
WHOLE = records(IMAGES, LABELS)
WRONG = {
    "empty": (b"", "has 0 bytes, not a multiple of a record's 3073"),
    "short": (WHOLE[:-1], "has 9218 bytes, not a multiple"),
    "long": (WHOLE + b"\0", "has 9220 bytes, not a multiple"),
    "label": (records(IMAGES, LABELS + 8), "has the label 10, expected 0 to 9"),
    # Two label bytes a record, as in CIFAR-100.
    "other data set": (b"\0" * 3074 * 100, "has 307400 bytes, not a multiple"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_are_named_with_what_is_wrong(case: str, tmp_path: Path) -> None:
    data, words = WRONG[case]
    path = tmp_path / TEST
    path.write_bytes(data)
    with pytest.raises(DataError, match=words) as error:
        read_records(path, (3, 32, 32), 10)
    assert str(error.value).startswith(f"{path}: ")
    assert "download the file again" in str(error.value)


def test_records_are_read_as_written_and_large_files_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / TEST).write_bytes(WHOLE)
    images, labels = read_records(tmp_path / TEST, (3, 32, 32), 10)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    monkeypatch.setattr("wflow_plugins.tasks.records.MAX_BYTES", 9000)
    with pytest.raises(DataError, match="has more than 9000 bytes"):
        read_records(tmp_path / TEST, (3, 32, 32), 10)
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError, match="cannot be read"):
            read_records(path, (3, 32, 32), 10)


@pytest.fixture
def server(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataFiles]:
    """The files in an archive, from a server on this machine."""
    pytest.importorskip("pooch", reason="needs the extra [data]")
    monkeypatch.setenv("NO_PROXY", "*")
    held, served = io.BytesIO(), tmp_path / "served"
    with tarfile.open(fileobj=held, mode="w:gz") as tar:
        tar.add(folder, CIFAR10.archive.folder)
    served.mkdir()
    (served / "files.tar.gz").write_bytes(held.getvalue())
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        md5 = hashlib.md5(held.getvalue()).hexdigest()
        archive = Archive("files.tar.gz", md5, CIFAR10.archive.folder)
        url = f"http://127.0.0.1:{http.server_port}/"
        yield replace(CIFAR10, url=url, archive=archive)
        http.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_the_archive_is_fetched_once_and_unpacked(
    server: DataFiles, folder: Path, tmp_path: Path
) -> None:
    found = server.paths(None, download=True)
    assert found.keys() == set(TRAIN) | {TEST}
    assert {p.parent for p in found.values()} == {
        tmp_path / "cache/wflow/cifar10/cifar-10-batches-bin"
    }
    assert found[TEST].read_bytes() == (folder / TEST).read_bytes()
    assert replace(server, url="http://127.0.0.1:1/").paths(None, download=False) == found


def test_an_archive_with_another_checksum_is_refused_and_not_kept(
    server: DataFiles, tmp_path: Path
) -> None:
    wrong = replace(server, archive=replace(server.archive, md5="0" * 32))
    with pytest.raises(DataError, match=rf"{server.url}: .*hash"):
        wrong.paths(None, download=True)
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_a_real_network_is_as_good_as_its_authors_say(monkeypatch: pytest.MonkeyPatch) -> None:
    if not OFFICIAL or not (Path(OFFICIAL) / SLICE["test_file"]).exists():
        pytest.skip("needs cifar10_subset in WFLOW_DATA")
    checkpoints = Path(OFFICIAL) / "checkpoints"
    if not (checkpoints / CHECKPOINT).exists():
        pytest.skip(f"needs checkpoints/{CHECKPOINT} in WFLOW_DATA")
    monkeypatch.setenv("WFLOW_DATA", OFFICIAL)
    task = Cifar10(download=False, val=100, **SLICE)
    network = Resnet20(task.signature)
    zoo = Checkpoints(task, network, folder=str(checkpoints), pattern=CHECKPOINT).collect(
        torch.Generator()
    )
    test = task.splits["test"]
    with torch.no_grad():
        outputs = torch.cat(
            [network.batched(zoo.weights, x, zoo.buffers) for x in test.x.split(250)], 1
        )
    accuracy = task.objective.score(outputs, test.y)["accuracy"].item()
    # 91.7 % on all 10,000 test images, of which these are the first 1000.
    assert accuracy == pytest.approx(0.915, abs=0.0015)
