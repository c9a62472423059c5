"""Covariates of networks from a table of checkpoint files: CSV, or a JSON list."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wflow_core.errors import DataError
from wflow_core.interfaces.zoo import Covariate

FILE, ROW = "file", "row"
"""Columns that identify the network of an entry: its file, and its row in the file."""
UNKNOWN = (None, "")


@dataclass(frozen=True)
class MetadataTable:
    """A table of covariates.

    Attributes:
        covariates: all columns except ``file`` and ``row``, in order.
        entries: (file, row), or (file, None) for all networks of a file -> values by column.
    """

    path: Path
    covariates: tuple[Covariate, ...]
    entries: Mapping[tuple[str, int | None], Mapping[str, Any]]

    def check_all_used(self, files: Sequence[str]) -> None:
        """
        Raises:
            DataError: entries are of files that are not in the zoo.
        """
        unused = sorted({file for file, _ in self.entries} - set(files))
        if unused:
            raise DataError(
                f"{self.path}: lists {len(unused)} files that are not in the zoo, such as "
                f"{unused[0]!r}; the column `file` must have paths relative to the folder"
            )

    def covariates_of(self, file: str, count: int) -> dict[str, Tensor]:
        """Covariates ``[count]`` of the networks of a file.

        Raises:
            DataError: the file, or one of its networks, has no entry.
        """
        of_file = self.entries.get((file, None))
        entries = [of_file or self.entries.get((file, row)) for row in range(count)]
        present = [entry for entry in entries if entry is not None]
        if len(present) < count:
            which = f" for row {entries.index(None)} (from 0)" if count > 1 else ""
            raise DataError(f"{self.path} has no entry{which} of this file; add one")
        return {
            c.name: torch.tensor([_encode(c, entry.get(c.name)) for entry in present])
            for c in self.covariates
        }


def read_metadata(path: Path, categories: Sequence[str] = ()) -> MetadataTable:
    """Read a table with the column ``file`` and a column per covariate.

    A column is real-valued if all its values are numbers, otherwise categorical; empty and null
    values are unknown.

    Args:
        categories: categorical columns with numeric values.

    Raises:
        DataError: the file cannot be read, or is not such a table.
    """
    rows = _json(path) if path.suffix == ".json" else _csv(path)
    names = list(dict.fromkeys(name for row in rows for name in row if name not in (FILE, ROW)))
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][\w-]*", name):
            raise DataError(
                f"{path}: {name!r} is not a valid name of a covariate; rename the column"
            )
    if absent := [name for name in categories if name not in names]:
        raise DataError(f"{path}: has no column {absent[0]!r}; it has {', '.join(names) or 'none'}")
    covariates = tuple(
        _covariate(path, name, [row.get(name) for row in rows], name in categories)
        for name in names
    )
    entries: dict[tuple[str, int | None], Mapping[str, Any]] = {}
    for number, row in enumerate(rows, start=1):
        key = _key(path, number, row)
        if key in entries or (key[0], None) in entries:
            raise DataError(f"{path}: line {number} repeats an earlier line of {key[0]!r}")
        entries[key] = row
    return MetadataTable(path, covariates, entries)


def _key(path: Path, number: int, row: Mapping[str, Any]) -> tuple[str, int | None]:
    file, row_number = row.get(FILE), row.get(ROW)
    if not isinstance(file, str) or not file:
        raise DataError(f"{path}: line {number} has no {FILE!r}; add the name of the file")
    if row_number in UNKNOWN:
        return file, None
    if not str(row_number).isdecimal():
        raise DataError(
            f"{path}: line {number}: {ROW!r} must be an integer from 0; got {row_number!r}"
        )
    return file, int(str(row_number))


def _covariate(path: Path, name: str, values: Sequence[Any], categorical: bool) -> Covariate:
    """The covariate of a column: real-valued or categorical."""
    known = [value for value in values if value not in UNKNOWN]
    if wrong := [v for v in known if isinstance(v, bool | list | dict)]:
        raise DataError(
            f"{path}: {name!r} contains {wrong[0]!r}; covariates are numbers or strings"
        )
    numbers = [number for value in known if (number := _float(value)) is not None]
    if categorical or len(numbers) < len(known):
        return Covariate(name, tuple(sorted({str(value) for value in known})))
    if not all(map(math.isfinite, numbers)):
        raise DataError(f"{path}: {name!r} contains a number that is not finite; remove it")
    return Covariate(name)


def _encode(covariate: Covariate, value: Any) -> int | float:
    """The value in a weight set: a number or the index of a category; NaN or -1 if unknown."""
    if covariate.categories is None:
        return math.nan if value in UNKNOWN else float(value)
    return -1 if value in UNKNOWN else covariate.categories.index(str(value))


def _float(value: Any) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; set zoo.metadata") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text") from error


def _csv(path: Path) -> list[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(_text(path)), skipinitialspace=True)
    rows = list(reader)
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise DataError(
                f"{path}: line {number} after the header has more or fewer values than the header"
            )
    return rows


def _json(path: Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON ({error})") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(
            f'{path}: must be a list of objects, as [{{"{FILE}": "a.pt", "loss": 0.1}}]'
        )
    return rows
