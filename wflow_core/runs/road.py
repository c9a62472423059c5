"""The road of a run: collect, canonicalize, encode, train, sample, evaluate, in this order.

Each stage maps finished artefacts to one. A stage whose key is that of an artefact in the folder
is found again and skipped; training goes on from its last checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from wflow_core.assembly.assemble import settled
from wflow_core.assembly.assembly import Assembly
from wflow_core.devices import choose, repeatable
from wflow_core.errors import HookError
from wflow_core.memory import Memory
from wflow_core.runs import stages
from wflow_core.runs.artefacts import Content, load_codec
from wflow_core.runs.record import Record, sources
from wflow_core.runs.run_folder import METRICS, claim, refuse_foreign
from wflow_core.runs.siblings import Siblings
from wflow_core.runs.streaming import refuse_large, refuse_memory
from wflow_core.seeds import stage_generator
from wflow_core.storage.store import Artefact, Store


def run(
    assembly: Assembly,
    folder: Path | str,
    device: torch.device | str = "cpu",
    overwrite: bool = False,
    siblings: Siblings | None = None,
    memory: Memory | None = None,
) -> dict[str, Any]:
    """Run a spec in a folder, or finish or find what was run there before.

    Args:
        overwrite: let a folder that holds a run of another spec, or from other data, be replaced,
            stage by stage.
        siblings: runs whose finished artefacts are taken over where they are the same.
        memory: what networks may take; larger weight sets stay in files. It decides no result.

    Returns:
        The content of ``metrics.json``.

    Raises:
        StoreError: the folder is in use, of another spec or other data, or damaged.
        WflowError: there is no such device here, or memory is too little for a single network.
    """
    where = choose(device)
    refuse_memory(memory, assembly, where)
    refuse_foreign(Path(folder))
    with Store(Path(folder), memory).locked() as store:
        read = sources(assembly)
        claim(store, assembly.resolved, read, overwrite)
        road = Road(assembly, store, Record(assembly, store, where, read), siblings)
        with road.watched():
            return road.travel()


class Road:
    """One run: its components, its store and its record."""

    def __init__(
        self,
        assembly: Assembly,
        store: Store,
        record: Record,
        siblings: Siblings | None = None,
    ):
        self.assembly, self.store, self.record = assembly, store, record
        self.device = record.device
        self.siblings = siblings or Siblings()
        self.hooks = assembly.hooks

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Tell the hooks of the run's start, and of its failure if it fails."""
        self.hooks.run_start(spec=self.assembly.resolved, folder=self.store.folder)
        try:
            yield
        except BaseException as error:
            self._failed(error)
            raise

    def _failed(self, error: BaseException) -> None:
        """What stopped the run stays the error, though a hook raise as well."""
        try:
            self.hooks.run_failed(error=error)
        except HookError as other:
            error.add_note(str(other))

    def travel(self) -> dict[str, Any]:
        """All stages, in order."""
        a = self.assembly
        zoo = collected = self._stage("collect", "zoo", [], stages.collect)
        refuse_large(a, zoo.tensors["weights"])
        if a.canonicalizers:
            zoo = self._stage("canonicalize", "canonical", [collected], stages.canonicalize)
        seen = [zoo]
        if a.codec:
            code = self._stage("encode", "codec", [zoo], stages.encode)
            load_codec(a.codec, code, lambda: zoo, self.device)
            a = self.assembly = settled(a)
            seen.append(code)
        flow = self._stage("train", "flow", seen, stages.train)
        samples = self._stage("sample", "samples", [*seen, flow], stages.sample)
        beside = [zoo, collected] if a.canonicalizers else [zoo]
        if a.sampled is not a:
            beside = [self._stage("reference", "reference", [], stages.reference)]
        beside += [flow] if stages.looks_at_density(a) else []
        found = self._stage(
            "evaluate", "evaluation", [beside[0], samples, *beside[1:]], stages.evaluate
        )
        return self._finish(found.data["metrics"])

    def _stage(
        self,
        stage: str,
        name: str,
        inputs: list[Artefact],
        make: Callable[[stages.Work], Content],
    ) -> Artefact:
        """Find the stage's artefact under ``name``, or make it."""
        key = self.record.key(stage, inputs)
        self.hooks.stage_start(stage=stage)
        with self.siblings.alone(key):
            reused = self.store.key(name) == key or self.siblings.give(self.store, name, key)
            if reused:
                artefact = self.store.load(name)
            else:
                work = self._work(stage, key, inputs)
                with repeatable():
                    made = make(work)
                artefact = self.store.save(name, key, *made, work.checkpoint.seconds)
                self.store.remove(stages.CHECKPOINT)
                self.store.remove(stages.SCRATCH)
        self.record.finish(stage, key, artefact.sha256, artefact.seconds)
        self.hooks.stage_end(stage=stage, seconds=artefact.seconds, reused=reused)
        return artefact

    def _work(self, stage: str, key: str, inputs: list[Artefact]) -> stages.Work:
        generator = stage_generator(self.assembly.spec.seed, stage, self.device)
        checkpoint = stages.Checkpoint(self.store, key)
        return stages.Work(self.assembly, inputs, generator, self.hooks.reporter(stage), checkpoint)

    def _finish(self, metrics: dict[str, Any]) -> dict[str, Any]:
        """Write ``metrics.json``, with the seconds of every stage, and tell the hooks."""
        whole = metrics | {"seconds": self.record.seconds()}
        if self.store.read_json(METRICS) != whole:
            self.store.write_json(METRICS, whole)
        self.hooks.run_end(metrics=whole, folder=self.store.folder)
        return whole
