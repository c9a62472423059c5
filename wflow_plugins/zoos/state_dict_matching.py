"""Conversion of named tensors to flat weights and buffers of an architecture.

Shapes: N networks of the file, P weights, Q buffer entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from itertools import islice

import torch
from torch import Tensor

from wflow_core.errors import DataError
from wflow_core.weights.layout import TensorSlot, WeightLayout

MAX_NAMES = 3
"""Maximum number of names of each kind in an error message."""
COUNTER = "num_batches_tracked"
"""Suffix of buffers that are 0 by default, since older files lack them."""


def map_names(
    tensors: Mapping[str, Tensor],
    layout: WeightLayout,
    map_checkpoint_key: Callable[[str], str | None],
) -> tuple[dict[str, Tensor], list[str]]:
    """A file's tensors by their names in the architecture, and the names of ignored tensors.

    A common prefix of all names (``module.``, ``model.``) is removed.

    Args:
        map_checkpoint_key: method of the architecture.

    Raises:
        DataError: two tensors have the same name in the architecture.
    """
    renamed: dict[str, Tensor] = {}
    ignored: list[str] = []
    for name, tensor in _without_prefix(tensors, layout).items():
        new_name = map_checkpoint_key(name)
        if new_name is None:
            ignored.append(name)
        elif new_name in renamed:
            raise DataError(f"contains {new_name!r} twice, once as {name!r}")
        else:
            renamed[new_name] = tensor
    return renamed, sorted(ignored)


def match_state_dict(
    tensors: Mapping[str, Tensor], layout: WeightLayout, buffers: WeightLayout, size: int
) -> tuple[Tensor, Tensor]:
    """Weights ``[N, P]`` and buffers ``[N, Q]``, float32, in new memory.

    Args:
        tensors: of one network (N = 1), or of N networks stacked as ``[N, *shape]``, as ``wflow
            sample`` writes them.
        size: bytes of the file; stacked tensors must not be larger (by expanded views).

    Raises:
        DataError: a name, shape, dtype or value does not match; names it.
    """
    state = _without_aliases(dict(tensors), [layout, buffers])
    counters = {s.name: torch.zeros(s.shape) for s in buffers.slots if s.name.endswith(COUNTER)}
    _check_names(state, layout, buffers, counters.keys())
    slots = {slot.name: slot for slot in (*layout.slots, *buffers.slots)}
    n = _check_shapes(state, slots)
    if n is not None and sum(t.nbytes for t in state.values()) > size:
        raise DataError(f"declares {n} networks, which need more than the file's {size} bytes")
    checked = {name: _checked_values(name, t, name in layout.by_name) for name, t in state.items()}
    batch_shape = () if n is None else (n,)
    missing_counters = {
        name: t.expand((*batch_shape, *t.shape))
        for name, t in counters.items()
        if name not in checked
    }
    weights, buffer_values = (
        target.flatten(checked | missing_counters) for target in (layout, buffers)
    )
    rows = 1 if n is None else n
    return weights.reshape(rows, layout.size), buffer_values.reshape(rows, buffers.size)


def _without_prefix(tensors: Mapping[str, Tensor], layout: WeightLayout) -> dict[str, Tensor]:
    """Tensors without common prefixes of all names, until one is a name of the architecture."""
    state, names = dict(tensors), layout.by_name.keys()
    while not state.keys() & names:
        prefixes = {name.partition(".")[0] for name in state}
        if len(prefixes) > 1 or any("." not in name for name in state):
            return dict(tensors)
        state = {name.partition(".")[2]: tensor for name, tensor in state.items()}
    return state


def _without_aliases(
    state: dict[str, Tensor], layouts: Iterable[WeightLayout]
) -> dict[str, Tensor]:
    """Tied tensors under their first name only; their other entries must be equal."""
    for alias, name in (pair for layout in layouts for pair in layout.aliases):
        if alias not in state:
            continue
        tensor = state.pop(alias)
        original = state.setdefault(name, tensor)
        if tensor.shape != original.shape or not torch.equal(tensor, original):
            raise DataError(
                f"{alias!r} and {name!r} are one tensor of the architecture, but differ in the file"
            )
    return state


def _check_names(
    state: Mapping[str, Tensor],
    layout: WeightLayout,
    buffers: WeightLayout,
    optional: Iterable[str],
) -> None:
    known = layout.by_name.keys() | buffers.by_name.keys()
    missing = sorted(known - state.keys() - set(optional))
    unexpected = sorted(state.keys() - known)
    problems = []
    if missing:
        problems.append(f"lacks {_join_some(map(repr, missing), len(missing))}")
    if unexpected:
        hints = (_with_hint(name, missing or sorted(known)) for name in unexpected)
        problems.append(f"has the unexpected {_join_some(hints, len(unexpected))}")
    if problems:
        raise DataError(f"{', and '.join(problems)}; it is of another architecture")


def _check_shapes(state: Mapping[str, Tensor], slots: Mapping[str, TensorSlot]) -> int | None:
    """The number of stacked networks; None for a single, unstacked network."""
    if all(tuple(t.shape) == slots[name].shape for name, t in state.items()):
        return None
    stacked = {len(t) if t.ndim else 0 for t in state.values()}
    if len(stacked) == 1 and all(tuple(t.shape[1:]) == slots[n].shape for n, t in state.items()):
        (n,) = stacked
        if n:
            return n
        raise DataError("contains no network: its stacked tensors have length 0")
    wrong = [
        f"{name!r} {tuple(t.shape)}, not {slots[name].shape}"
        for name, t in state.items()
        if tuple(t.shape) != slots[name].shape
    ]
    shapes = _join_some(wrong, len(wrong))
    raise DataError(f"wrong shapes: {shapes}; check the task and the widths of the architecture")


def _checked_values(name: str, tensor: Tensor, weight: bool) -> Tensor:
    """The values in float32, contiguous, without shared memory.

    Raises:
        DataError: they are not finite, or weights are not floating point.
    """
    if weight and not tensor.is_floating_point():
        raise DataError(f"{name!r} is {str(tensor.dtype)[6:]}; weights must be floating point")
    values = tensor.detach().to(torch.float32).contiguous()
    if not bool(values.isfinite().all()):
        raise DataError(f"{name!r} has NaN or infinite values (in float32)")
    return values


def _join_some(names: Iterable[str], total: int) -> str:
    more = f" and {total - MAX_NAMES} more" if total > MAX_NAMES else ""
    return ", ".join(islice(names, MAX_NAMES)) + more


def _with_hint(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, 1, 0.75)
    return f"{name!r} (did you mean {close[0]!r}?)" if close else repr(name)
