"""The contract of stages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ValidationError

from wflow_core.assembly.assemble import assemble
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.stage import Artefact, Stage, StageContext, StageOutput
from wflow_core.pipeline.driver import run
from wflow_core.specs.spec import spec_from_text
from wflow_core.storage.store import Store
from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures_pipeline import SmallCollect, small_components
from wflow_core.testing.worlds import NETWORKS, World


@dataclass
class Recorded(Mapping[str, Artefact]):
    """Inputs of a stage, and which of them it reads."""

    inputs: Mapping[str, Artefact]
    read: set[str] = field(default_factory=set)

    def __getitem__(self, name: str) -> Artefact:
        self.read.add(name)
        return self.inputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.inputs)

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass
class Finished:
    """A run of the stage: its name and artefact, and what it read and made, if it ran."""

    name: str
    artefact: Artefact
    key: str | None
    inputs: Recorded | None
    output: StageOutput | None


class StageContract(Contract):
    """The same artefact from the same spec; a finished stage rests; its options are in its key.

    The stage runs after one that collects the small zoo as the artefact ``zoo``, or in a spec.

    Attributes:
        spec: a spec with the stage among its ``stages``, where it needs more than a zoo.
        other_options: options that make another artefact; by default one of them is changed.
        unread: inputs that it declares for its key, and does not read here.
    """

    worlds = NETWORKS
    spec: ClassVar[str | None] = None
    other_options: ClassVar[dict[str, Any]] = {}
    unread: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def tried_in(cls) -> list[World]:
        return super().tried_in()[: 1 if cls.spec else None]

    def components(self, **changed: Any) -> Components:
        """The pipeline, with other options of the stage."""
        if self.spec is None:
            stages = {"collect": SmallCollect(), "stage": self.component(**self.options | changed)}
            return small_components(stages, self.network())
        parsed = spec_from_text(self.spec, allow_code=True)
        own = next(path[0] for path, of in parsed.components.items() if of.cls is self.component)
        overrides = [f"{own}.{name}={json.dumps(value)}" for name, value in changed.items()]
        return assemble(spec_from_text(self.spec, "spec", ["hooks=[]", *overrides], True))

    def finished(self, folder: Path, overwrite: bool = False, **changed: Any) -> Finished:
        """Run the pipeline in a folder."""
        components = self.components(**changed)
        stages = components.stages.items()
        name, stage = next((n, of) for n, of in stages if isinstance(of, self.component))
        assert stage.is_active(components), "give a spec in which the stage is active"
        seen: list[tuple[Recorded, StageOutput]] = []
        make = stage.run

        def recorded(context: StageContext) -> StageOutput:
            inputs = Recorded(context.inputs)
            seen.append((inputs, make(replace(context, inputs=inputs))))
            return seen[-1][1]

        stage.run = recorded
        run(components, folder, "cpu", overwrite)
        store = Store(folder)
        found = seen[0] if seen else (None, None)
        return Finished(name, store.load(stage.output), store.key(stage.output), *found)

    def test_the_same_artefact_in_two_folders(self, tmp_path: Path) -> None:
        first, second = (self.finished(tmp_path / name) for name in ("a", "b"))
        assert first.key == second.key
        artefacts = first.artefact, second.artefact
        assert len({repr(_timeless(of.data)) for of in artefacts}) == 1
        if _timeless(first.artefact.data) == first.artefact.data:
            assert first.artefact.sha256 == second.artefact.sha256
        for name, tensor in first.artefact.tensors.items():
            assert torch.equal(tensor, second.artefact.tensors[name])

    def test_a_finished_stage_does_not_run_again(self, tmp_path: Path) -> None:
        assert self.finished(tmp_path).output is not None
        assert self.finished(tmp_path).output is None

    def test_another_option_makes_another_key(self, tmp_path: Path) -> None:
        before = self.finished(tmp_path)
        config = self.components().stages[before.name].config
        if changed := self.other_options or _another(config):
            after = self.finished(tmp_path, overwrite=True, **changed)
            assert after.output is not None
            assert after.key != before.key

    def test_it_reads_the_inputs_that_it_declares(self, tmp_path: Path) -> None:
        inputs = self.finished(tmp_path).inputs
        assert inputs is not None
        assert inputs.read == inputs.inputs.keys() - self.unread

    def test_its_data_is_plain(self, tmp_path: Path) -> None:
        output = self.finished(tmp_path).output
        assert output is not None
        json.dumps([dict(output.data), dict(output.metrics)], allow_nan=False)

    def test_it_names_its_artefact(self) -> None:
        stage: Stage = self.make()
        assert stage.output
        assert stage.output not in (stage.replaces, "checkpoint")
        assert isinstance(stage.fields, tuple)


def _timeless(data: Any) -> Any:
    """Without numbers called ``seconds``, which no two runs share."""
    if not isinstance(data, Mapping):
        return data
    return {name: _timeless(of) for name, of in data.items() if name != "seconds"}


def _another(config: BaseModel) -> dict[str, Any]:
    """One option with another valid value; empty where none is known."""
    for name, value in config:
        candidates: list[Any] = [not value] if isinstance(value, bool) else []
        if isinstance(value, int | float) and not isinstance(value, bool):
            candidates = [value + 1, value / 2, value - 1]
        for other in candidates:
            try:
                type(config)(**{**dict(config), name: type(value)(other)})
            except ValidationError:
                continue
            return {name: type(value)(other)}
    return {}
