"""BERT with a linear layer for classes or values."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import nn

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Signature
from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import Group, Part
from wflow_core.weights import WeightLayout
from wflow_plugins.architectures.attention import STREAM, Heads
from wflow_plugins.architectures.bert_module import BertForScores
from wflow_plugins.architectures.transformer import Transformer, linear, norm, refuse_uneven

OLDER = {"gamma": "weight", "beta": "bias"}
"""What tensors of a LayerNorm were called, and are called now."""


class Bert(Transformer):
    """The BERT encoder over token ids; id 0 is padding, which no other token looks at.

    Tensors are called as those of ``BertForSequenceClassification`` in Hugging Face's package
    transformers; neither it nor a download is needed. The defaults are small: BERT-base has
    ``vocabulary: 30522, width: 768, layers: 12, heads: 12, intermediate: 3072, positions: 512``.

    In files of others, ``LayerNorm.gamma`` and ``beta`` are its weight and bias; ``position_ids``,
    which are the numbers 0, 1, ..., and ``cls``, the heads of pretraining, are left out. The pooler
    and the classifier must be there.

    Groups: ``stream``, of each layer N ``layer.N.heads``, ``.qk`` and ``.vo`` in each head, and
    ``.hidden``, and ``pooled``; ``vocabulary``, ``position``, ``segment``, ``output`` are fixed.

    Source: Devlin, Chang, Lee, Toutanova 2019 (arXiv 1810.04805).

    Raises:
        UnsupportedError: inputs are no token ids, or do not fit the options.
    """

    class Config(Options):
        vocabulary: int | None = Field(
            None, ge=2, description="number of token ids; none: as many as the task has"
        )
        width: int = Field(64, ge=1, description="of the residual stream")
        layers: int = Field(2, ge=1, description="number of encoder layers")
        heads: int = Field(4, ge=1, description="of attention; they share the width")
        intermediate: int = Field(128, ge=1, description="units of each hidden layer")
        positions: int = Field(128, ge=1, description="tokens that an input may have at most")

    def __init__(self, signature: Signature, **options: Any):
        super().__init__(signature, **options)
        c, known = self.config, signature.vocabulary
        if known is None or len(signature.inputs) != 1:
            raise UnsupportedError(
                "bert takes token ids; this task gives values of shape "
                f"{list(signature.inputs)}; choose a task of texts, whose signature has a "
                "vocabulary"
            )
        self.vocabulary: int = known if c.vocabulary is None else c.vocabulary
        for what, have, need in (
            ("vocabulary", self.vocabulary, known),
            ("positions", c.positions, signature.inputs[0]),
        ):
            if have < need:
                raise UnsupportedError(f"{what} is {have}; this task needs {need} at least")
        refuse_uneven(c.width, c.heads)

    def network(self) -> nn.Module:
        return BertForScores(self.vocabulary, self.signature.outputs, self.config)

    def map_checkpoint_key(self, name: str) -> str | None:
        if name == "bert.embeddings.position_ids" or name.startswith("cls."):
            return None
        layer, _, last = name.rpartition(".")
        return f"{layer}.{OLDER.get(last, last)}" if layer.endswith("LayerNorm") else name

    def define_symmetry(self) -> Symmetry:
        c, embeddings = self.config, "bert.embeddings"
        groups = {
            "vocabulary": Group(self.vocabulary, "fixed"),
            "position": Group(c.positions, "fixed"),
            "segment": Group(2, "fixed"),
            STREAM: Group(c.width),
        }
        parts = [
            Part(f"{embeddings}.word_embeddings.weight", ("vocabulary", STREAM)),
            Part(f"{embeddings}.position_embeddings.weight", ("position", STREAM)),
            Part(f"{embeddings}.token_type_embeddings.weight", ("segment", STREAM)),
            *norm(f"{embeddings}.LayerNorm"),
        ]
        for number in range(c.layers):
            name = f"layer.{number}"
            heads = Heads(name, c.heads, c.width // c.heads)
            groups |= heads.groups() | {f"{name}.hidden": Group(c.intermediate)}
            parts += _layer(f"bert.encoder.{name}", f"{name}.hidden", heads)
        groups["pooled"] = Group(c.width, scaling="sign")
        groups["output"] = Group(self.signature.outputs, "fixed")
        parts += linear("bert.pooler.dense", "pooled", STREAM, {"pooled": 1})
        parts += linear("classifier", "output", "pooled", {"pooled": -1})
        return Symmetry(groups, tuple(parts), WeightLayout.of_parameters(self.template))


def _layer(name: str, hidden: str, heads: Heads) -> list[Part]:
    inner = f"{name}.attention.self"
    return [
        *heads.query(f"{inner}.query"),
        *heads.key(f"{inner}.key"),
        *heads.value(f"{inner}.value"),
        *heads.output(f"{name}.attention.output.dense"),
        *norm(f"{name}.attention.output.LayerNorm"),
        *linear(f"{name}.intermediate.dense", hidden, STREAM),
        *linear(f"{name}.output.dense", STREAM, hidden),
        *norm(f"{name}.output.LayerNorm"),
    ]
