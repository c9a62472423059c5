"""Damaged, wrong and hostile IDX files: one clear error each, with the file and the fix."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from idx_files import arrays, idx

from wflow_core.errors import DataError
from wflow_plugins.tasks.idx import MAX_BYTES, read_idx

IMAGES = arrays(5, 0)[0]
WHOLE = idx(IMAGES)


@given(rows=st.integers(1, 20), tail=st.lists(st.integers(1, 4), max_size=2), zipped=st.booleans())
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: int, tail: list[int], zipped: bool
) -> None:
    array = np.arange(rows * int(np.prod(tail, dtype=int))).astype(np.uint8).reshape(rows, *tail)
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    found = read_idx(path, *tail)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, array)


def header(*shape: int) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


WRONG = {
    "empty": (b"", "starts with nothing"),
    "text": (b"<html>not found</html>", "starts with 3c 68 74 6d"),
    "magic": (b"\1" + WHOLE[1:], "starts with 01 00 08 03"),
    "type": (idx(IMAGES, 0x0D), "starts with 00 00 0d 03"),
    "axes": (idx(IMAGES[:, 0]), r"00 00 08 02.* with 3 axes starts with 00 00 08 03"),
    "header cut": (WHOLE[:9], "ends within its header"),
    "other images": (idx(IMAGES[:, :27]), r"shape \(5, 27, 28\), expected \(M, 28, 28\)"),
    "no image": (header(0, 28, 28), r"shape \(0, 28, 28\)"),
    "short": (WHOLE[:-1], "3920 bytes .* it has 3919"),
    "long": (WHOLE + b"\0", "3920 bytes .* it has more"),
    "claims": (header(2**32 - 1, 28, 28), f"more than {MAX_BYTES}"),
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_are_named_with_what_is_wrong(case: str, zipped: bool, tmp_path: Path) -> None:
    data, words = WRONG[case]
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(data) if zipped else data)
    with pytest.raises(DataError, match=words) as error:
        read_idx(path, 28, 28)
    assert str(error.value).startswith(f"{path}: ")
    assert "download the file again" in str(error.value)


@pytest.mark.parametrize("cut", [3, 15, 40, -9, -1])
def test_truncated_gzip(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(WHOLE)[:cut])
    with pytest.raises(DataError, match=r"images.gz: damaged gzip data .*download the file again"):
        read_idx(path, 28, 28)


def test_damaged_gzip(tmp_path: Path) -> None:
    path, data = tmp_path / "images.gz", bytearray(gzip.compress(WHOLE))
    data[-8] ^= 1  # of the checksum
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged gzip data"):
        read_idx(path, 28, 28)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(WHOLE + bytes(2**26), 1))
    tracemalloc.start()
    with pytest.raises(DataError, match="it has more"):
        read_idx(path, 28, 28)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**22


def test_a_folder_or_nothing_at_the_place_of_the_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError, match="cannot be read"):
            read_idx(path, 28, 28)
