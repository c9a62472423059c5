"""Covariates of networks in files, from a table beside them: CSV, or a list in JSON."""

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
"""Columns that identify the network of a line: its file, and its row in the file."""
UNKNOWN = (None, "")


@dataclass(frozen=True)
class MetadataTable:
    """A table of covariates.

    Attributes:
        covariates: every column but ``file`` and ``row``, in order.
        lines: file and row, or file and None for all of its networks -> the values of a line.
    """

    path: Path
    covariates: tuple[Covariate, ...]
    entries: Mapping[tuple[str, int | None], Mapping[str, Any]]

    def check_all_used(self, files: Sequence[str]) -> None:
        """
        Raises:
            DataError: lines are of no file among those that the zoo reads.
        """
        unused = sorted({file for file, _ in self.entries} - set(files))
        if unused:
            raise DataError(
                f"{self.path}: {len(unused)} files of it are not in the zoo, such as "
                f"{unused[0]!r}; the column `file` has their names from the folder on"
            )

    def covariates_of(self, file: str, count: int) -> dict[str, Tensor]:
        """Covariates ``[count]`` of the networks of a file.

        Raises:
            DataError: it has no line, or of some of its networks none.
        """
        of_file = self.entries.get((file, None))
        entries = [of_file or self.entries.get((file, row)) for row in range(count)]
        known = [line for line in entries if line is not None]
        if len(known) < count:
            which = f" for row {entries.index(None)}, counted from 0," if count > 1 else ""
            raise DataError(f"{self.path} has no line{which} of this file; add one")
        return {
            c.name: torch.tensor([_encode(c, line.get(c.name)) for line in known])
            for c in self.covariates
        }


def read_metadata(path: Path, categories: Sequence[str] = ()) -> MetadataTable:
    """Read a table whose column ``file`` says which file a line is of.

    A column is of numbers where all of its values are, else of categories; a missing value, or
    null, is unknown.

    Args:
        categories: columns that are categories though their values are numbers.

    Raises:
        DataError: the file cannot be read, or is no such table.
    """
    rows = _json(path) if path.suffix == ".json" else _csv(path)
    names = list(dict.fromkeys(name for row in rows for name in row if name not in (FILE, ROW)))
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][\w-]*", name):
            raise DataError(
                f"{path}: {name!r} cannot be the name of a covariate; rename the column"
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
            raise DataError(f"{path}: line {number} is of {key[0]!r}, as one before it is")
        entries[key] = row
    return MetadataTable(path, covariates, entries)


def _key(path: Path, number: int, row: Mapping[str, Any]) -> tuple[str, int | None]:
    file, row_number = row.get(FILE), row.get(ROW)
    if not isinstance(file, str) or not file:
        raise DataError(f"{path}: line {number} has no {FILE!r}; the column names the file")
    if row_number in UNKNOWN:
        return file, None
    if not str(row_number).isdecimal():
        raise DataError(f"{path}: line {number}: {ROW!r} is a whole number from 0; got {row_number!r}")
    return file, int(str(row_number))


def _covariate(path: Path, name: str, values: Sequence[Any], categorical: bool) -> Covariate:
    """A column as numbers, or as the categories that its values are."""
    known = [value for value in values if value not in UNKNOWN]
    if wrong := [v for v in known if isinstance(v, bool | list | dict)]:
        raise DataError(f"{path}: {name!r} holds {wrong[0]!r}; covariates are numbers or names")
    numbers = [number for value in known if (number := _float(value)) is not None]
    if categorical or len(numbers) < len(known):
        return Covariate(name, tuple(sorted({str(value) for value in known})))
    if not all(map(math.isfinite, numbers)):
        raise DataError(f"{path}: {name!r} holds a number that is not finite; leave it out")
    return Covariate(name)


def _encode(covariate: Covariate, value: Any) -> int | float:
    """As in weight sets: NaN and -1 for unknown values."""
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
        raise DataError(f"{path}: is not text in UTF-8") from error


def _csv(path: Path) -> list[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(_text(path)), skipinitialspace=True)
    rows = list(reader)
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise DataError(
                f"{path}: line {number} after the header has not as many values as the header"
            )
    return rows


def _json(path: Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is no JSON ({error})") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f'{path}: wants a list of objects, [{{"{FILE}": "a.pt", "loss": 0.1}}]')
    return rows
