"""Rows read by plain reads are those that safetensors gives, of every type of weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from wflow_core.errors import DataError
from wflow_plugins.streaming.column_files import StackedColumns
from wflow_plugins.streaming.rows import SafetensorsRows

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.fixture
def whole() -> torch.Tensor:
    return torch.randn(3, 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_columns_of_any_type(tmp_path: Path, whole: torch.Tensor, dtype: torch.dtype) -> None:
    stored = whole.to(dtype)
    # What lies before it in the file, of odd length.
    save_file({"a": torch.zeros(7, dtype=torch.uint8), "weights": stored}, tmp_path / "f")
    columns = StackedColumns(tmp_path / "f")
    assert columns.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    for start, stop in ((0, 11), (0, 1), (4, 9), (10, 11), (5, 5)):
        assert torch.equal(columns.read(start, stop), stored[:, start:stop].to(columns.dtype))
    wide = torch.full((3, 6), torch.nan)
    columns.fill(wide[:, 1:5], 2)  # not contiguous
    assert torch.equal(wide[:, 1:5], stored[:, 2:6].float())
    assert wide[:, [0, 5]].isnan().all()


def test_other_types_are_refused(tmp_path: Path) -> None:
    save_file({"weights": torch.zeros(2, 3, dtype=torch.int64)}, tmp_path / "f")
    with pytest.raises(DataError, match=r"'weights' has type I64, weights are F64, F32, F16, BF16"):
        StackedColumns(tmp_path / "f")


def test_a_file_that_was_cut_short_meanwhile(tmp_path: Path, whole: torch.Tensor) -> None:
    path = tmp_path / "f"
    save_file({"weights": whole}, path)
    rows = SafetensorsRows.of(path, "weights")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 8)
    assert torch.equal(StackedColumnsOf(rows).read(0, 10), whole[:, :10])
    with pytest.raises(DataError, match="is cut short; get or make the file again"):
        StackedColumnsOf(rows).read(0, 11)


class StackedColumnsOf(StackedColumns):
    """Opened before its file changed."""

    def __init__(self, raw: SafetensorsRows):
        self.raw, self.path = raw, raw.path
        self.rows, self.size, self.dtype = raw.rows, raw.size, raw.dtype
