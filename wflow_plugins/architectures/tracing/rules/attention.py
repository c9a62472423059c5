"""Fused attention, as its matrix products and softmax."""

from __future__ import annotations

from typing import Any

from wflow_plugins.architectures.tracing.combine import contract, elementwise
from wflow_plugins.architectures.tracing.rules.contractions import BATCH, unsupported
from wflow_plugins.architectures.tracing.rules.reductions import normalize
from wflow_plugins.architectures.tracing.tracer import Tracer, rule
from wflow_plugins.architectures.tracing.values import Value


@rule("scaled_dot_product_attention")
def attention(
    t: Tracer, q: Value, k: Value, v: Value, mask: Any = None, *_: Any, **options: Any
) -> Value:
    """Shapes: q ``[.., i, d]``, k ``[.., j, d]``, v ``[.., j, e]``."""
    if options.get("enable_gqa"):
        return unsupported(t, q, k, v, mask)
    lead = BATCH[: len(q.shape) - 2]
    scores = contract(t, [(q, f"{lead}im"), (k, f"{lead}jm")], f"{lead}ij")
    if mask is not None:
        t.scales.forbid(mask)
        t.scales.forbid(scores)
        scores = elementwise(t, [scores, mask], "equal")
    weights = normalize(t, scores, [len(scores.shape) - 1])
    return contract(t, [(weights, f"{lead}ij"), (v, f"{lead}jn")], f"{lead}in")
