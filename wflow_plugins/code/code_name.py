"""The type of an option that names code."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, StringConstraints, ValidationInfo

from wflow_core.errors import PluginError
from wflow_plugins.code.named_code import PATTERN, load_code, refusal


def _check(name: str, info: ValidationInfo) -> str:
    """Of an option in a spec: refuse the code or import it, as the context ``allow_code`` says."""
    if info.context is None or "allow_code" not in info.context:
        return name
    if not info.context["allow_code"]:
        raise ValueError(refusal(name))
    try:
        load_code(name)
    except PluginError as error:
        raise ValueError(f"cannot be imported: {error}") from error
    return name


CodeName = Annotated[str, StringConstraints(pattern=PATTERN), AfterValidator(_check)]
"""Code by name, ``package.module:Name`` or ``file.py:Name``.

In a spec it is invalid unless the user allows code, and is imported then; whoever gives the option
from Python has allowed it. The component imports the code with ``load_code``, and its
``fingerprint`` should hold the ``code_hash``, so that changed code makes another result.
"""
