"""BERT with a linear layer for classification or regression."""

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
from wflow_plugins.architectures.attention import STREAM, AttentionParts
from wflow_plugins.architectures.bert_module import BertForScores
from wflow_plugins.architectures.transformer import (
    Transformer,
    check_divisible,
    linear_parts,
    norm_parts,
)

OLD_NAMES = {"gamma": "weight", "beta": "bias"}
"""Old and current names of the tensors of a LayerNorm."""


class Bert(Transformer):
    """The BERT encoder over token ids; id 0 is padding, which attention masks.

    Tensor names are those of ``BertForSequenceClassification`` in Hugging Face's package
    transformers; neither the package nor a download is needed. The defaults are small: BERT-base
    is ``vocabulary: 30522, width: 768, layers: 12, heads: 12, intermediate: 3072, positions: 512``.

    Of external checkpoints, ``LayerNorm.gamma`` and ``beta`` become weight and bias, and
    ``position_ids`` and ``cls`` (the pretraining heads) are ignored. Checkpoints must contain the
    pooler and the classifier.

    Groups: ``stream``; for each layer N ``layer.N.heads``, in each head ``.qk`` and ``.vo``, and
    ``.hidden``; ``pooled``. ``vocabulary``, ``position``, ``segment`` and ``output`` are fixed.

    Source: Devlin, Chang, Lee, Toutanova 2019 (arXiv 1810.04805).

    Raises:
        UnsupportedError: inputs are not token ids, or do not fit the options.
    """

    class Config(Options):
        vocabulary: int | None = Field(
            None, ge=2, description="number of token ids; null: that of the task"
        )
        width: int = Field(64, ge=1, description="width of the residual stream")
        layers: int = Field(2, ge=1, description="number of encoder layers")
        heads: int = Field(4, ge=1, description="attention heads; must divide the width")
        intermediate: int = Field(128, ge=1, description="units of a hidden layer")
        positions: int = Field(128, ge=1, description="maximum number of tokens of an input")

    def __init__(self, signature: Signature, **options: Any):
        super().__init__(signature, **options)
        c, token_ids = self.config, signature.vocabulary
        if token_ids is None or len(signature.inputs) != 1:
            raise UnsupportedError(
                f"bert needs token ids, got values of shape {list(signature.inputs)}; choose a "
                "task of texts, whose signature has a vocabulary"
            )
        self.vocabulary: int = token_ids if c.vocabulary is None else c.vocabulary
        for option, value, needed in (
            ("vocabulary", self.vocabulary, token_ids),
            ("positions", c.positions, signature.inputs[0]),
        ):
            if value < needed:
                raise UnsupportedError(f"{option} is {value}; this task needs at least {needed}")
        check_divisible(c.width, c.heads)

    def build_module(self) -> nn.Module:
        return BertForScores(self.vocabulary, self.signature.outputs, self.config)

    def map_checkpoint_key(self, name: str) -> str | None:
        if name == "bert.embeddings.position_ids" or name.startswith("cls."):
            return None
        layer, _, last = name.rpartition(".")
        return f"{layer}.{OLD_NAMES.get(last, last)}" if layer.endswith("LayerNorm") else name

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
            *norm_parts(f"{embeddings}.LayerNorm"),
        ]
        for number in range(c.layers):
            name = f"layer.{number}"
            heads = AttentionParts(name, c.heads, c.width // c.heads)
            groups |= heads.groups() | {f"{name}.hidden": Group(c.intermediate)}
            parts += _layer(f"bert.encoder.{name}", f"{name}.hidden", heads)
        groups["pooled"] = Group(c.width, scaling="sign")
        groups["output"] = Group(self.signature.outputs, "fixed")
        parts += linear_parts("bert.pooler.dense", "pooled", STREAM, {"pooled": 1})
        parts += linear_parts("classifier", "output", "pooled", {"pooled": -1})
        return Symmetry(groups, tuple(parts), WeightLayout.of_parameters(self.template))


def _layer(name: str, hidden: str, heads: AttentionParts) -> list[Part]:
    inner = f"{name}.attention.self"
    return [
        *heads.query(f"{inner}.query"),
        *heads.key(f"{inner}.key"),
        *heads.value(f"{inner}.value"),
        *heads.output(f"{name}.attention.output.dense"),
        *norm_parts(f"{name}.attention.output.LayerNorm"),
        *linear_parts(f"{name}.intermediate.dense", hidden, STREAM),
        *linear_parts(f"{name}.output.dense", STREAM, hidden),
        *norm_parts(f"{name}.output.LayerNorm"),
    ]
