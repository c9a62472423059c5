"""From named tensors of a file to flat weights and buffers of an architecture.

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
"""Names that a message gives of each kind."""
COUNTER = "num_batches_tracked"
"""Buffers that torch starts at 0 where a file is older than they are."""


def map_names(
    tensors: Mapping[str, Tensor],
    layout: WeightLayout,
    map_checkpoint_key: Callable[[str], str | None],
) -> tuple[dict[str, Tensor], list[str]]:
    """A file's tensors by the names that they have here, and the names of those left out.

    A prefix that all names share (``module.``, ``model.``) goes.

    Args:
        map_checkpoint_key: of the architecture.

    Raises:
        DataError: two tensors would have one name.
    """
    renamed: dict[str, Tensor] = {}
    ignored: list[str] = []
    for name, tensor in _without_prefix(tensors, layout).items():
        new_name = map_checkpoint_key(name)
        if new_name is None:
            ignored.append(name)
        elif new_name in renamed:
            raise DataError(f"holds {new_name!r} twice, once as {name!r}")
        else:
            renamed[new_name] = tensor
    return renamed, sorted(ignored)


def match_state_dict(
    tensors: Mapping[str, Tensor], layout: WeightLayout, buffers: WeightLayout, size: int
) -> tuple[Tensor, Tensor]:
    """``[N, P]`` and ``[N, Q]``, float32, owning their memory.

    Tensors are of one network, N = 1, or of N that are stacked as ``[N, *shape]``, which is how
    ``wflow sample`` writes them.

    Args:
        size: bytes of the file; stacked tensors that are expanded beyond it are refused.

    Raises:
        DataError: a name, shape, type or value does not fit; says which.
    """
    state = _without_aliases(dict(tensors), [layout, buffers])
    counters = {s.name: torch.zeros(s.shape) for s in buffers.slots if s.name.endswith(COUNTER)}
    _check_names(state, layout, buffers, counters.keys())
    slots = {slot.name: slot for slot in (*layout.slots, *buffers.slots)}
    n = _check_shapes(state, slots)
    if n is not None and sum(t.nbytes for t in state.values()) > size:
        raise DataError(f"claims {n} networks, which are more bytes than the file's {size}")
    whole = {name: _checked_values(name, t, name in layout.by_name) for name, t in state.items()}
    lead = () if n is None else (n,)
    absent = {
        name: t.expand((*lead, *t.shape)) for name, t in counters.items() if name not in whole
    }
    weights, of_buffers = (kind.flatten(whole | absent) for kind in (layout, buffers))
    rows = 1 if n is None else n
    return weights.reshape(rows, layout.size), of_buffers.reshape(rows, buffers.size)


def _without_prefix(tensors: Mapping[str, Tensor], layout: WeightLayout) -> dict[str, Tensor]:
    """Leading parts that all names share go, until a name is one of the architecture's."""
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
    """A tied tensor under its first name; under further ones it must be the same."""
    for alias, name in (pair for layout in layouts for pair in layout.aliases):
        if alias not in state:
            continue
        tensor = state.pop(alias)
        original = state.setdefault(name, tensor)
        if tensor.shape != original.shape or not torch.equal(tensor, original):
            raise DataError(f"{alias!r} and {name!r} are one tensor here, and differ in the file")
    return state


def _check_names(
    state: Mapping[str, Tensor], layout: WeightLayout, buffers: WeightLayout, optional: Iterable[str]
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
        raise DataError(f"{', and '.join(problems)}; another architecture made it")


def _check_shapes(state: Mapping[str, Tensor], slots: Mapping[str, TensorSlot]) -> int | None:
    """How many networks are stacked; None for one that is not stacked."""
    if all(tuple(t.shape) == slots[name].shape for name, t in state.items()):
        return None
    stacked = {len(t) if t.ndim else 0 for t in state.values()}
    if len(stacked) == 1 and all(tuple(t.shape[1:]) == slots[n].shape for n, t in state.items()):
        (n,) = stacked
        if n:
            return n
        raise DataError("holds no network: its stacked tensors have length 0")
    wrong = [
        f"{name!r} {tuple(t.shape)}, not {slots[name].shape}"
        for name, t in state.items()
        if tuple(t.shape) != slots[name].shape
    ]
    raise DataError(f"wrong shapes: {_join_some(wrong, len(wrong))}; other widths or another task")


def _checked_values(name: str, tensor: Tensor, weight: bool) -> Tensor:
    """The values in float32, contiguous: strides and shared memory end here."""
    if weight and not tensor.is_floating_point():
        raise DataError(f"{name!r} is of {str(tensor.dtype)[6:]}; weights are floating point")
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
