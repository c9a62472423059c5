"""Code that a spec names, as ``package.module:Name`` or ``file.py:Name``.

A spec runs none unless whoever runs it allows that: nothing is imported before ``refusal`` was
heeded.
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

PATTERN = r"^([A-Za-z_]\w*(\.[A-Za-z_]\w*)*|[^:]+\.py):[A-Za-z_]\w*$"
"""What names code."""


def refusal(name: str) -> str:
    """Why code of that name is not imported, and how to allow it."""
    return (
        f"would import {name!r}, and a spec runs code only where that is allowed; if you trust it, "
        "add --allow-code to the command (from Python, allow_code=True)"
    )


def load_code(name: str) -> Any:
    """Import what is named. A file is imported once, and again when it has changed.

    Raises:
        PluginError: there is no such module, file or name in it, or it fails to import.
    """
    place, _, wanted = name.rpartition(":")
    module = _module(place)
    try:
        return getattr(module, wanted)
    except AttributeError as error:
        guess = suggest(wanted, vars(module))
        raise PluginError(f"{place} has nothing called {wanted!r}{guess}") from error


def code_origin(name: str) -> str:
    """What is named with a hash of the file that it is in, so that another one is another run.

    Raises:
        PluginError: as ``load_code``.
    """
    load_code(name)
    file = getattr(_module(name.rpartition(":")[0]), "__file__", None)
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16] if file else "no file"
    return f"{name} ({digest})"


def _module(place: str) -> ModuleType:
    try:
        return _of_file(Path(place)) if place.endswith(".py") else import_module(place)
    except PluginError:
        raise
    except (Exception, SystemExit) as error:  # whatever the code of others raises
        fix = "mend it"
        if isinstance(error, ModuleNotFoundError):
            fix = "install it, put its folder on PYTHONPATH, or name a file, as nets/own.py:Net"
        why = f"{type(error).__name__}: {error}"
        raise PluginError(f"{place} fails to import: {why}; {fix}") from error


def _of_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise PluginError(f"{path} is no file, seen from {Path.cwd()}, where wflow was started")
    content = path.read_bytes()
    digest = hashlib.sha256(str(path.resolve()).encode() + content).hexdigest()[:16]
    name = f"wflow_named_code_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    found = spec_from_file_location(name, path)
    assert found is not None  # the file ends in .py
    assert found.loader is not None
    module = module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
