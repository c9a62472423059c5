"""Named tensors from the bytes of a checkpoint, without running code in it.

Safetensors contain no code. Files of ``torch.save`` are read with ``weights_only=True``, which
allows tensors and plain containers only. Values are copied later, once they match the architecture
(``state_dict_matching.py``).
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
"""Keys of the state dict in a checkpoint; Lightning's is the first."""
SAVE_AGAIN = "save model.state_dict() alone, as safetensors or by torch.save"


def load_tensors(data: bytes, safetensors_format: bool) -> dict[str, Tensor]:
    """The state dict in the bytes of a file; tensors may be views that share memory.

    Args:
        safetensors_format: whether the bytes are safetensors, or from ``torch.save``.

    Raises:
        DataError: the bytes contain code, are truncated or damaged, or contain no state dict of
            plain tensors.
    """
    try:
        content = safetensors.torch.load(data) if safetensors_format else _load_torch(data)
    except DataError:
        raise
    except Exception as error:  # damaged files raise arbitrary errors
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
        # Torch stores entries uncompressed, so none can be larger than the file.
        uncompressed = all(e.compress_type == zipfile.ZIP_STORED for e in entries)
        if not uncompressed or sum(e.file_size for e in entries) > len(data):
            raise DataError(f"refused: its entries are compressed or overlap; {SAVE_AGAIN}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about formats that raise anyway
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _describe_error(error: Exception, safetensors_format: bool) -> str:
    """The error message; torch's own may advise to load the file unsafely and is not repeated."""
    message = " ".join(str(error).split())
    match = re.search(r"GLOBAL (\S+)", message)
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in message:
        content = f"the pickled object {match[1]}" if match else "more than tensors in containers"
        return f"refused without running it: it contains {content}; {SAVE_AGAIN}"
    kind = "safetensors file" if safetensors_format else "file of torch.save"
    reason = message[:150] or type(error).__name__
    return f"not a complete {kind} ({reason}); copy it again, or {SAVE_AGAIN}"


def _state_dict(content: Any) -> dict[str, Tensor]:
    """The state dict in the content of a file, in the order of names: a safetensors file has no
    order of its own."""
    if isinstance(content, Mapping):
        content = next(
            (content[w] for w in WRAPPERS if isinstance(content.get(w), Mapping)), content
        )
    if not isinstance(content, Mapping) or not content:
        got = "an empty one" if isinstance(content, Mapping) else type(content).__name__
        raise DataError(f"expected a state dict, got {got}; {SAVE_AGAIN}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise DataError(
                f"expected tensors by name, at the top or in one of {', '.join(WRAPPERS)}; got "
                f"{name!r}: {type(value).__name__}; {SAVE_AGAIN}"
            )
    return dict(sorted(content.items()))


def _unsupported_property(tensor: Tensor, size: int) -> str | None:
    """The property of a tensor that is not supported; None for dense real numbers in memory."""
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
        return "declares more memory than its file has"
    return None
