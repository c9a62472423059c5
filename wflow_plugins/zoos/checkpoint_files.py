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
SAVE_AGAIN = "save model.state_dict() alone, as safetensors or by torch.save"


def load_tensors(data: bytes, safetensors_format: bool) -> dict[str, Tensor]:
    """The state dict in the bytes of a file; tensors may be views, and share memory.

    Args:
        safe: the bytes are safetensors; else what ``torch.save`` writes.

    Raises:
        DataError: the bytes hold code, are cut short or damaged, or hold no state dict of plain
            tensors.
    """
    try:
        content = safetensors.torch.load(data) if safetensors_format else _load_torch(data)
    except DataError:
        raise
    except Exception as error:  # a damaged file raises whatever its damage leads to
        raise DataError(_describe_error(error, safetensors_format)) from error
    tensors = _state_dict(content)
    for name, tensor in tensors.items():
        if problem := _unsupported_property(tensor, len(data)):
            raise DataError(f"{name!r} {problem}; {SAVE_AGAIN}, of plain dense tensors")
    return tensors


def _load_torch(data: bytes) -> Any:
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
        # Torch stores entries as they are, so that none can grow beyond the file.
        uncompressed = all(e.compress_type == zipfile.ZIP_STORED for e in entries)
        if not uncompressed or sum(e.file_size for e in entries) > len(data):
            raise DataError(f"refused: its entries are compressed or overlap; {SAVE_AGAIN}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of formats that are refused anyway
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _describe_error(error: Exception, safetensors_format: bool) -> str:
    """Torch's own words may advise to load the file unsafely; such words are not passed on."""
    message = " ".join(str(error).split())
    match = re.search(r"GLOBAL (\S+)", message)
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in message:
        found = f"the pickled object {match[1]}" if match else "more than tensors in containers"
        return f"refused, and nothing of it was run: it holds {found}; {SAVE_AGAIN}"
    kind = "safetensors file" if safetensors_format else "file of torch.save"
    return f"no whole {kind} ({message[:150] or type(error).__name__}); copy it anew, or {SAVE_AGAIN}"


def _state_dict(content: Any) -> dict[str, Tensor]:
    """The state dict itself, out of what it may be wrapped in."""
    if isinstance(content, Mapping):
        content = next((content[w] for w in WRAPPERS if isinstance(content.get(w), Mapping)), content)
    if not isinstance(content, Mapping) or not content:
        got = "an empty one" if isinstance(content, Mapping) else type(content).__name__
        raise DataError(f"wanted a state dict, got {got}; {SAVE_AGAIN}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise DataError(
                f"wanted tensors by name, at the top or under one of {', '.join(WRAPPERS)}; got "
                f"{name!r}: {type(value).__name__}; {SAVE_AGAIN}"
            )
    return dict(content)


def _unsupported_property(tensor: Tensor, size: int) -> str | None:
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
