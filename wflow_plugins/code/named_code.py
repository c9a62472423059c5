"""Imports code by name, ``package.module:Name`` or ``file.py:Name``.

Imported code may do anything: a spec may name code only where its user allows that, see
:mod:`~wflow_plugins.code.code_name`.
"""

from __future__ import annotations

import hashlib
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from wflow_core.errors import PluginError, suggest
from wflow_core.pipeline.error_origin import one_line

PATTERN = r"^([A-Za-z_]\w*(\.[A-Za-z_]\w*)*|[^:]+\.py):[A-Za-z_]\w*$"
"""Names of code."""


def refusal(name: str) -> str:
    """Why code of that name is not imported, and how to allow it."""
    return (
        f"would import {name!r}, and a spec runs code only where that is allowed; if you trust it, "
        "add --allow-code to the command (from Python, allow_code=True)"
    )


def load_code(name: str) -> Any:
    """Import the object of that name. A file is imported again after it has changed.

    Raises:
        PluginError: there is no such module, file or object, or it fails to import.
    """
    where, _, attribute = name.rpartition(":")
    module = _module(where)
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        guess = suggest(attribute, vars(module))
        raise PluginError(f"{where} has no {attribute!r}{guess}") from error


def code_hash(name: str) -> str | None:
    """SHA-256 of the file that holds the object; None for a module without a file.

    Raises:
        PluginError: as ``load_code``.
    """
    file = getattr(_module(name.rpartition(":")[0]), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else None


def _module(where: str) -> ModuleType:
    """The module of a file or of a dotted name."""
    try:
        return _module_of_file(Path(where)) if where.endswith(".py") else import_module(where)
    except PluginError:
        raise
    except (Exception, SystemExit) as error:  # imported code may raise anything
        fix = "fix it"
        if isinstance(error, ModuleNotFoundError):
            fix = "install it, put its folder on PYTHONPATH, or name a file, as nets/own.py:Net"
        why = f"{type(error).__name__}: {one_line(str(error))}"
        raise PluginError(f"{where} fails to import: {why}; {fix}") from error


def _module_of_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise PluginError(
            f"{path}: no such file; a relative path starts at {Path.cwd()}, where wflow was started"
        )
    content = path.read_bytes()
    digest = hashlib.sha256(str(path.resolve()).encode() + content).hexdigest()[:16]
    name = f"wflow_named_code_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    assert spec is not None  # the file ends in .py
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
