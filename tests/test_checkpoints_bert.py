"""Files of BERT as others write them: what is left out, what is called otherwise, what must be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from checkpoint_support import State
from safetensors.torch import save_file

from wflow_core.assembly.builder import mismatch
from wflow_core.errors import DataError
from wflow_core.weights import WeightLayout, WeightSet
from wflow_plugins.architectures.bert import Bert
from wflow_plugins.tasks.regression_1d import Regression1d
from wflow_plugins.tasks.sentiment import Sentiment
from wflow_plugins.zoos.checkpoints import Checkpoints

TASK = Sentiment(n=16)
BERT = Bert(TASK.signature, width=8, heads=2, intermediate=6, positions=9)


def state() -> State:
    weights = BERT.initialize(1, torch.Generator().manual_seed(0))
    return dict(WeightSet.from_module(BERT.template, weights).state_dicts()[0])


def collected(folder: Path, held: State) -> tuple[Checkpoints, State]:
    save_file(held, folder / "bert.safetensors")
    zoo = Checkpoints(TASK, BERT, folder=str(folder))
    found = zoo.collect(torch.Generator())
    return zoo, WeightLayout.of_parameters(BERT.template).unflatten(found.weights[0])


@pytest.mark.parametrize("prefix", ["", "model."])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_heads_of_pretraining_and_positions_are_left_out(
    dtype: torch.dtype, prefix: str, tmp_path: Path
) -> None:
    own = {name: tensor.to(dtype) for name, tensor in state().items()}
    others = {
        "bert.embeddings.position_ids": torch.arange(9)[None],
        "cls.predictions.bias": torch.zeros(17, dtype=dtype),
        "cls.seq_relationship.weight": torch.zeros(2, 8, dtype=dtype),
    }
    held = {prefix + name: tensor for name, tensor in (own | others).items()}
    zoo, found = collected(tmp_path, held)
    assert all(torch.equal(found[name], tensor.float()) for name, tensor in own.items())
    (source,) = zoo.provenance() or []
    assert source["ignored"] == sorted(others)
    assert source["tensors"][f"{prefix}bert.embeddings.position_ids"] == "int64 [1, 9]"


def test_norms_go_by_their_older_names(tmp_path: Path) -> None:
    own = {name: torch.randn_like(tensor) for name, tensor in state().items()}
    older = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    held = dict(own)
    for name in own:
        for new, old in older.items():
            if name.endswith(new):
                held[name.replace(new, old)] = held.pop(name)
    assert len(held.keys() - own.keys()) == 2 * 5
    zoo, found = collected(tmp_path, held)
    assert all(torch.equal(found[name], tensor) for name, tensor in own.items())
    assert [source["ignored"] for source in zoo.provenance() or []] == [[]]
    again = held | {"bert.embeddings.LayerNorm.weight": torch.ones(8)}
    with pytest.raises(DataError, match=r"contains 'bert.embeddings.LayerNorm.weight' twice"):
        collected(tmp_path, again)


@pytest.mark.parametrize("gone", ["classifier.weight", "bert.pooler.dense.bias"])
def test_what_the_architecture_needs_must_be_there(gone: str, tmp_path: Path) -> None:
    held = {name: tensor for name, tensor in state().items() if name != gone}
    with pytest.raises(DataError, match=rf"lacks '{gone}'; it is of another architecture"):
        collected(tmp_path, held)


def test_a_head_that_nobody_knows_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has the unexpected 'qa_outputs.weight'"):
        collected(tmp_path, state() | {"qa_outputs.weight": torch.zeros(2, 8)})


def test_a_task_of_texts_does_not_fit_networks_of_another_vocabulary() -> None:
    assert mismatch(Sentiment(n=32), TASK) is None
    assert mismatch(Sentiment(words=9), TASK) == (
        "has inputs [8] of 18 tokens and 1 outputs; the networks of this run have inputs [8] of 17 "
        "tokens and 1 outputs"
    )
    assert "has inputs [1] and 1 outputs; the" in str(mismatch(Regression1d(), TASK))
