"""From a validation error to one line: place, what, what it got, and the fix."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from wflow_core.errors import shorten, suggest
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.components import KeyPath
from wflow_core.registry import defaults
from wflow_core.specs.located_yaml import LocatedYaml

Model = TypeVar("Model", bound=BaseModel)

SHAPES = {
    "model_type": "Input should be a mapping",
    "model_attributes_type": "Input should be a mapping",
    "dict_type": "Input should be a mapping",
    "list_type": "Input should be a list",
    "tuple_type": "Input should be a list",
}
"""What JSON calls objects and arrays."""
UNION = "union"
"""The type of an error that is several: one for each of the types that a value may be of."""


def validate(
    model: type[Model],
    data: Any,
    source: LocatedYaml,
    path: KeyPath,
    also: Sequence[str] = (),
    allow_code: bool = False,
) -> tuple[Model | None, list[str]]:
    """Validate options strictly; the model, or None and a line for each problem.

    Through JSON, so that lists may be tuples but no text is taken for a number.

    Args:
        also: further names that may stand beside the options.
        allow_code: given to validators, as the context ``allow_code``.
    """
    context = {"allow_code": allow_code}
    try:
        return model.model_validate_json(json.dumps(data), strict=True, context=context), []
    except ValidationError as error:
        merged = _merge_union_errors(error.errors(), data)
        return None, [describe(model, e, data, source, path, also) for e in merged]


def describe(
    model: type[BaseModel],
    error: Mapping[str, Any],
    data: Any,
    source: LocatedYaml,
    path: KeyPath,
    also: Sequence[str] = (),
) -> str:
    """One line for an error that pydantic found in the data at ``path`` of a source."""
    loc = (*path, *_user_path(error, data))
    name = dotted(loc)
    if error["type"] in ("missing", "union_tag_not_found"):
        return f"{source.location(loc[:-1])}: {name} is missing{_meaning(model, error['loc'])}"
    if error["type"] == "extra_forbidden":
        fields = _fields(model, error["loc"][:-1]) + [*also] * (len(error["loc"]) == 1)
        known = f"; options: {', '.join(fields)}" if fields else ""
        at = source.keys.get(loc) or source.location(loc)
        if now := _renamed(model, error["loc"]):
            return f"{at}: unknown option {name}: it is now {dotted((*loc[:-1], now))}"
        return f"{at}: unknown option {name}{suggest(str(loc[-1]), fields)}{known}"
    if error["type"] == "missing_type":
        now = _rewritten(loc, error["input"])
        return f"{source.location(loc)}: {name}.type is missing{now}"
    hint = _renamed_value(model, error) or _choice(error)
    if error["type"] == "component_type":
        hint = _rewritten(loc, error["input"])
    meaning = _meaning(model, error["loc"][:1]) if error["type"] == UNION else ""
    said = f"{_lower(_message(error))}{meaning}; got {shorten(repr(error['input']))}"
    return f"{source.location(loc)}: {name}: {said}{hint}"


def _message(error: Mapping[str, Any]) -> str:
    return SHAPES.get(error["type"], str(error["msg"]).removeprefix("Value error, "))


def _merge_union_errors(errors: Iterable[Mapping[str, Any]], data: Any) -> list[Mapping[str, Any]]:
    """Errors with those of the members of a union, which speak of one value, as one."""
    united: dict[KeyPath, Mapping[str, Any]] = {}
    for error in errors:
        path = _user_path(error, data)
        if path in united:
            other = _message(error).removeprefix("Input should be ")
            error = {**united[path], "type": UNION, "msg": f"{_message(united[path])}, or {other}"}
        united[path] = error
    return list(united.values())


def _user_path(error: Mapping[str, Any], data: Any) -> KeyPath:
    """The path of an error as the spec has it, without the members of unions that pydantic adds."""
    written: list[str | int] = []
    for i, key in enumerate(error["loc"], start=1):
        absent = error["type"] == "missing" and i == len(error["loc"])
        item = isinstance(data, list) and isinstance(key, int)
        if absent or item or (isinstance(data, dict) and key in data):
            written.append(key)
            data = None if absent else data[key]
    discriminated = error["type"] in ("union_tag_invalid", "union_tag_not_found")
    return (*written, *(["type"] if discriminated else []))


def dotted(path: KeyPath) -> str:
    """``("zoo", "optimizer", "lr") -> zoo.optimizer.lr``."""
    return ".".join(map(str, path))


def location_key(line: str) -> tuple[str, int, int, str]:
    """Sorts problems by file, line and column."""
    match = re.match(r"(.*?):(\d+):(\d+): ", line)
    return (match[1], int(match[2]), int(match[3]), line) if match else ("", 0, 0, line)


def _choice(error: Mapping[str, Any]) -> str:
    """The closest of the values that would have been right, where they are a fixed few."""
    context = error.get("ctx", {})
    choices = re.findall(r"'([^']*)'", str(context.get("expected", context.get("expected_tags"))))
    return suggest(str(context.get("tag", error["input"])), choices)


def _renamed(model: type[BaseModel], loc: KeyPath) -> str | None:
    """What a former option is called now."""
    named = len(loc) == 1 and issubclass(model, Options)
    return model.renamed.get(str(loc[0])) if named else None  # type: ignore[attr-defined]


def _renamed_value(model: type[BaseModel], error: Mapping[str, Any]) -> str:
    """`` (it is now ...)`` for a former value of an option."""
    if len(error["loc"]) != 1 or not issubclass(model, Options):
        return ""
    values = model.renamed_values.get(str(error["loc"][0]), {})
    now = values.get(str(error["input"]))
    return f" (it is now {now!r})" if now else ""


def _rewritten(loc: KeyPath, value: Any) -> str:
    """What to write in place of a former form of a field of the spec."""
    rewrite = defaults().get("rewrite", {}).get(loc[0]) if len(loc) == 1 else None
    now = rewrite(value) if rewrite else None
    return f"; write {now}" if now else ""


def _fields(model: Any, loc: KeyPath) -> list[str]:
    """Names of the options at a place inside a model, where it can be told."""
    for key in (k for k in loc if isinstance(k, str)):  # a list's items are of its own type
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            break
        found = model.model_fields.get(key)
        model = found.annotation if found else None
        models = [a for a in (model, *get_args(model)) if isinstance(a, type)]
        model = next((m for m in models if issubclass(m, BaseModel)), None)
    known = isinstance(model, type) and issubclass(model, BaseModel)
    return list(model.model_fields) if known else []


def _meaning(model: type[BaseModel], loc: KeyPath) -> str:
    found = model.model_fields.get(str(loc[0])) if len(loc) == 1 else None
    return f" ({found.description})" if found and found.description else ""


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
