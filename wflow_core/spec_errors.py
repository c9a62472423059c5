"""From a validation error to one line: place, what, what it got, and the fix."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from wflow_core.registry import suggest
from wflow_core.yaml_source import Source

Path = tuple[str | int, ...]


def describe(model: type[BaseModel], error: Mapping[str, Any], source: Source, path: Path) -> str:
    """One line for an error that pydantic found in the value at ``path`` of a source."""
    loc: Path = (*path, *error["loc"])
    name = dotted(loc)
    if error["type"] == "missing":
        return f"{source.place(loc[:-1])}: {name} is missing{_meaning(model, error['loc'])}"
    if error["type"] == "extra_forbidden":
        fields = _fields(model, error["loc"][:-1])
        known = f"; options: {', '.join(fields)}" if fields else ""
        at = source.keys.get(loc) or source.place(loc)
        return f"{at}: unknown option {name}{suggest(str(loc[-1]), fields)}{known}"
    hint = _choice(error)
    message = error["msg"].removeprefix("Value error, ")
    return f"{source.place(loc)}: {name}: {_lower(message)}; got {_short(error['input'])}{hint}"


def dotted(path: Path) -> str:
    """``("zoo", "optimizer", "lr") -> zoo.optimizer.lr``."""
    return ".".join(map(str, path))


def by_place(line: str) -> tuple[str, int, int, str]:
    """Sorts problems by file, line and column."""
    match = re.match(r"(.*?):(\d+):(\d+): ", line)
    return (match[1], int(match[2]), int(match[3]), line) if match else ("", 0, 0, line)


def _choice(error: Mapping[str, Any]) -> str:
    """The closest of the values that would have been right, where they are a fixed few."""
    context = error.get("ctx", {})
    choices = re.findall(r"'([^']*)'", str(context.get("expected", context.get("expected_tags"))))
    return suggest(str(context.get("tag", error["input"])), choices)


def _fields(model: Any, loc: Path) -> list[str]:
    """Names of the options at a place inside a model, where it can be told."""
    for key in loc:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            break
        found = model.model_fields.get(str(key))
        model = found.annotation if found else None
        models = [a for a in (model, *get_args(model)) if isinstance(a, type)]
        model = next((m for m in models if issubclass(m, BaseModel)), None)
    known = isinstance(model, type) and issubclass(model, BaseModel)
    return list(model.model_fields) if known else []


def _meaning(model: type[BaseModel], loc: Path) -> str:
    found = model.model_fields.get(str(loc[0])) if len(loc) == 1 else None
    return f" ({found.description})" if found and found.description else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
