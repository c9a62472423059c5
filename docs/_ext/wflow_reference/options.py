"""From a pydantic model to a table of its options, through its JSON schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from wflow_core.interfaces.component import KIND_KEYWORD

Schema = dict[str, Any]
MISSING = object()
BAR = r"\|"
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
WORDS = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false"}


@dataclass(frozen=True)
class Row:
    """One option: its dotted name, what it takes, its default and its meaning."""

    name: str
    takes: str
    default: str
    meaning: str

    def cells(self) -> list[str]:
        return [f"`{self.name}`", self.takes, self.default, self.meaning]


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', BAR) for cell in row)} |" for row in lines)


def options_table(model: type[BaseModel], prefix: str = "") -> str:
    """The options of a model as a table, or the words that it has none."""
    found = [row.cells() for row in rows(model, prefix)]
    return table(["option", "takes", "default", "meaning"], found) if found else "No options."


def rows(model: type[BaseModel], prefix: str = "") -> list[Row]:
    """A row an option; options inside options are given by dotted names."""
    schema = model.model_json_schema()
    return list(_object(schema, schema.get("$defs", {}), prefix, MISSING, ""))


def code(value: Any) -> str:
    return f"`{json.dumps(value)}`"


def _object(schema: Schema, defs: Schema, prefix: str, default: Any, note: str) -> Iterator[Row]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        own = field.get("default", MISSING)
        if isinstance(default, dict):
            own = default.get(name, own)
        yield from _field(prefix + name, field, defs, own, name in required, note)


def _field(
    name: str, field: Schema, defs: Schema, default: Any, required: bool, note: str
) -> Iterator[Row]:
    target = _resolve(field, defs)
    if target.get("type") == "object" and "properties" in target:
        yield from _object(target, defs, f"{name}.", default, note)
    else:
        meaning = "; ".join(filter(None, [note, field.get("description", "")]))
        shown = "required" if required or default is MISSING else code(default)
        yield Row(name, takes(target, defs), shown, meaning)
        for inner in filter(_has_options, (_resolve(s, defs) for s in target.get("anyOf", ()))):
            yield from _object(inner, defs, f"{name}.", MISSING, "")


def _has_options(schema: Schema) -> bool:
    """Whether the options inside are told one by one; those of a component are its own."""
    return "properties" in schema


def takes(schema: Schema, defs: Schema) -> str:
    """What a value may be, in words."""
    schema = _resolve(schema, defs)
    if kind := schema.get(KIND_KEYWORD):
        return f"[{kind}](#kind-{kind})"
    if "anyOf" in schema:
        return " or ".join(takes(s, defs) for s in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return _one_of(schema.get("enum", [schema.get("const")]))
    if "prefixItems" in schema:
        return f"list of {len(schema['prefixItems'])}: {takes(schema['prefixItems'][0], defs)}"
    if schema.get("type") == "array":
        return f"list of: {takes(schema['items'], defs)}"
    if schema.get("type") == "object" and "properties" in schema:
        return "a mapping of the options below"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"mapping of names to: {takes(schema['additionalProperties'], defs)}"
    if schema.get("type") == "null":
        return "`null`"
    bounds = [f"{sign} {_number(schema[key])}" for key, sign in BOUNDS.items() if key in schema]
    pattern = f" matching `{schema['pattern']}`" if "pattern" in schema else ""
    word = WORDS.get(schema.get("type", ""), schema.get("type", "anything"))
    return f"{word} {' and '.join(bounds)}".strip() + pattern


def _number(value: float) -> str:
    power = int(value).bit_length() - 1
    return f"2^{power}" if power > 30 and value == 2**power else f"{value:g}"


def _one_of(values: list[Any]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _resolve(schema: Schema, defs: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Schema = defs[schema["$ref"].rpartition("/")[2]]
    return found
