"""What the report reads of a run folder.

Shapes: n values of a population of networks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wflow_core.devices import choose
from wflow_core.errors import StoreError, WflowError
from wflow_core.pipeline.run_folder import METRICS, RECORD, SPEC, run_spec
from wflow_core.storage.store import Artefact, Store
from wflow_core.weights import WeightSet
from wflow_plugins.stages.trained_flow import TrainedFlow, load
from wflow_plugins.streaming.memory import Memory

OWN = ("samples", "zoo", "collected")
LOWER = ("loss", "error", "mse", "rmse", "mae", "nll", "brier", "ece")
"""Scores of which less is better, where no untrained network tells."""


@dataclass(frozen=True)
class RunData:
    """A finished run.

    Attributes:
        text: the resolved spec, as it stands in the folder.
        metrics: ``metrics.json``, its finite numbers alone.
        history: what training measured, a row an evaluation.
        values: ``{"samples/accuracy": [n], ...}``, what was measured of each network.
    """

    flow: TrainedFlow
    text: str
    metrics: dict[str, Any]
    record: dict[str, Any]
    history: list[dict[str, float]]
    values: dict[str, Tensor]

    @property
    def spec(self) -> dict[str, Any]:
        return self.flow.assembly.resolved

    @cached_property
    def samples(self) -> WeightSet:
        return self.flow.samples

    @cached_property
    def zoo(self) -> WeightSet:
        """What the samples are compared with: of another architecture, another zoo."""
        return self.flow.reference

    @cached_property
    def numbers(self) -> dict[str, dict[str, Any]]:
        """The numbers of each population, by its name: samples, zoo, collected, then nulls."""
        seconds = _group(self.metrics, "seconds")
        rows = {name: dict(_group(self.metrics, name)) for name in OWN if name in self.metrics}
        of_zoo = "reference" if "reference" in seconds else "collect"
        for name, stage in (("samples", "sample"), ("zoo", of_zoo)):
            if name in rows and stage in seconds:
                rows[name]["seconds"] = seconds[stage]
        if "samples" in rows and "novelty" in self.metrics:
            rows["samples"]["novelty"] = self.metrics["novelty"]
        nulls = {
            n: row for n, row in _group(self.metrics, "nulls").items() if isinstance(row, dict)
        }
        return rows | {name: row for name, row in nulls.items() if name not in OWN}

    def each(self, population: str, *path: str) -> Tensor | None:
        """``[n]``: what was measured of each network of a population; None where nothing was."""
        start = population if population in OWN else f"nulls/{population}"
        found = self.values.get("/".join((start, *path)))
        return found if found is not None and found.ndim == 1 and len(found) else None

    def mean(self, population: str, *path: str) -> float | None:
        """The number of a population; of one with a spread, the mean."""
        found = at(self.numbers.get(population, {}), *path)
        return number(at(found, "mean") if isinstance(found, dict) else found)

    @cached_property
    def scores(self) -> list[str]:
        """Scores of single networks, the main one first: the first that is not the loss."""
        names = [n for n in self.numbers.get("samples", {}) if self._by_network(n)]
        averaged = at(self.metrics, "samples", "model_average")
        if isinstance(averaged, dict) and (known := [n for n in names if n in averaged]):
            names = known
        return sorted(names, key=lambda name: name == "loss")

    def _by_network(self, name: str) -> bool:
        found = self.each("samples", name), self.each("zoo", name)
        return all(
            of is not None and len(of) == len(networks)
            for of, networks in zip(found, (self.samples, self.zoo), strict=True)
        )

    def sign(self, score: str) -> int:
        """1 where more is better, else -1: by the zoo beside untrained networks, if known."""
        zoo, untrained = self.mean("zoo", score), self.mean("untrained", score)
        if score != "loss" and zoo is not None and untrained is not None and zoo != untrained:
            return 1 if zoo > untrained else -1
        return -1 if score.lower() in LOWER else 1


def read(
    folder: Path, device: torch.device | str | None = None, allow_code: bool = False
) -> RunData:
    """Read a finished run.

    Args:
        device: where networks are sampled; by default where the run was, if that is to be had.
        allow_code: import the code that its spec names.

    Raises:
        StoreError: the folder is no run, or the run is not finished, or it is damaged.
    """
    text = run_spec(folder).read_text(encoding="utf-8")
    store = Store(folder)
    record, metrics = store.read_json(RECORD), store.read_json(METRICS)
    if record is None or metrics is None:
        raise StoreError(
            f"{folder}: the run is not finished ({METRICS if record else RECORD} is missing); "
            f"`wflow run {folder / SPEC} --out {folder}` goes on from here"
        )
    where = _device(record) if device is None else device
    flow = load(folder, where, allow_code, _memory(record))
    history = _artefact(store, record, "train", "flow").data.get("history", [])
    values = _artefact(store, record, "evaluate", "evaluation").tensors
    return RunData(flow, text, finite(metrics), record, history, values)


def _memory(record: dict[str, Any]) -> Memory | None:
    """What networks might take in the run."""
    budget = number(record.get("memory"))
    return Memory(int(budget)) if budget else None


def _device(record: dict[str, Any]) -> torch.device:
    """Where the run was, or the CPU."""
    try:
        return choose(str(at(record, "machine", "device") or "cpu"))
    except WflowError:
        return torch.device("cpu")


def _artefact(store: Store, record: dict[str, Any], stage: str, name: str) -> Artefact:
    """An artefact, if the record knows it as that of a finished stage."""
    key = at(record, "stages", stage, "key")
    if key is None or store.key(name) != key:
        raise StoreError(
            f"{store.folder / name}: not of a finished stage {stage!r}; "
            "the same `wflow run` goes on from here"
        )
    return store.load(name)


def at(data: Any, *path: str) -> Any:
    """What stands in nested dictionaries under a path of names; None where there is none."""
    for name in path:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def number(value: Any) -> float | None:
    """A finite number, or None."""
    right = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if right and math.isfinite(value) else None


def finite(data: Any) -> Any:
    """Nested dictionaries of finite numbers; anything else is left out."""
    inner = {str(n): finite(v) if isinstance(v, dict) else number(v) for n, v in data.items()}
    return {name: value for name, value in inner.items() if value is not None}


def _group(data: dict[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}
