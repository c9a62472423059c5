"""Whether a spec works with weights that are not in memory."""

from __future__ import annotations

from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.components import Components
from wflow_core.weights.chunks import load_limit
from wflow_plugins.streaming.codec import StreamedCodec
from wflow_plugins.streaming.memory import BUDGET_FRACTION, format_bytes


def check_streamable(components: Components, weights: Tensor) -> None:
    """Before networks in files are encoded.

    Raises:
        UnsupportedError: a component needs all of them in memory.
    """
    if load_limit(weights) is None:
        return
    codec, size = components.codec, f"{len(weights)} networks of {weights.shape[1]} weights"
    if not isinstance(codec, StreamedCodec):
        reason = f"{codec!r} needs them all" if codec else "without a codec the flow does"
        at_least = format_bytes(BUDGET_FRACTION * weights.numel() * weights.itemsize)
        raise UnsupportedError(
            f"{size} do not fit into --memory, and {reason}; add `codec: pca`, or give --memory at "
            f"least {at_least}"
        )
    losses = components.stages["train"].config.losses
    if components.guidance is not None or losses:
        name = "guidance" if components.guidance is not None else "train.losses"
        raise UnsupportedError(
            f"{size} do not fit into --memory, and {name} decodes whole networks at every step; "
            "leave it out, or give more memory"
        )
