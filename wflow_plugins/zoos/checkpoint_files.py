"""From the bytes of a checkpoint to named tensors, without running anything that is in it.

Safetensors hold no code. Torch's files are read with ``weights_only=True``, which builds tensors
and plain containers and refuses every other object. Tensors are only looked at here: their
values are copied where they have proven to fit (``state_fit.py``).
"""

from __future__ import annotations

import io
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from wflow_core.errors import DataError

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Names under which checkpoints keep their state dict; Lightning's is the first."""
SAVE_ANEW = "save model.state_dict() alone, as safetensors or by torch.save"


def named_tensors(data: bytes, safe: bool) -> dict[str, Tensor]:
    """The state dict in the bytes of a file; tensors may be views, and share memory.

    Args:
        safe: the bytes are safetensors; else what ``torch.save`` writes.

    Raises:
        DataError: the bytes hold code, are cut short or damaged, or hold no state dict of plain
            tensors.
    """
    try:
        found = safetensors.torch.load(data) if safe else _load_torch(data)
    except DataError:
        raise
    except Exception as error:  # a damaged file raises whatever its damage leads to
        raise DataError(_refusal(error, safe)) from error
    tensors = _state_dict(found)
    for name, tensor in tensors.items():
        if problem := _oddity(tensor, len(data)):
            raise DataError(f"{name!r} {problem}; {SAVE_ANEW}, of plain dense tensors")
    return tensors


def _load_torch(data: bytes) -> Any:
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
        # Torch stores entries as they are, so that none can grow beyond the file.
        stored = all(e.compress_type == zipfile.ZIP_STORED for e in entries)
        if not stored or sum(e.file_size for e in entries) > len(data):
            raise DataError(f"refused: its entries are compressed or overlap; {SAVE_ANEW}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of formats that are refused anyway
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _refusal(error: Exception, safe: bool) -> str:
    """Torch's own words may advise to load the file unsafely; such words are not passed on."""
    words = " ".join(str(error).split())
    asked = re.search(r"GLOBAL (\S+)", words)
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in words:
        what = f"the pickled object {asked[1]}" if asked else "more than tensors in containers"
        return f"refused, and nothing of it was run: it holds {what}; {SAVE_ANEW}"
    kind = "safetensors file" if safe else "file of torch.save"
    return f"no whole {kind} ({words[:150] or type(error).__name__}); copy it anew, or {SAVE_ANEW}"


def _state_dict(found: Any) -> dict[str, Tensor]:
    """The state dict itself, out of what it may be wrapped in."""
    if isinstance(found, Mapping):
        found = next((found[w] for w in WRAPPERS if isinstance(found.get(w), Mapping)), found)
    if not isinstance(found, Mapping) or not found:
        got = "an empty one" if isinstance(found, Mapping) else type(found).__name__
        raise DataError(f"wanted a state dict, got {got}; {SAVE_ANEW}")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise DataError(
                f"wanted tensors by name, at the top or under one of {', '.join(WRAPPERS)}; got "
                f"{name!r}: {type(value).__name__}; {SAVE_ANEW}"
            )
    return dict(found)


def _oddity(tensor: Tensor, size: int) -> str | None:
    """What keeps a tensor from being plain dense numbers in memory, which its file held."""
    if tensor.is_quantized:
        return "is quantized"
    if tensor.layout is not torch.strided or tensor.is_nested:
        return "is sparse or nested"
    if tensor.device.type != "cpu":
        return f"has no values (device {tensor.device})"
    if tensor.is_complex():
        return "is complex"
    if type(tensor) not in (Tensor, torch.nn.Parameter):
        return f"is a {type(tensor).__name__}"
    if tensor.untyped_storage().nbytes() > size:
        return "claims more memory than its file has"
    return None
