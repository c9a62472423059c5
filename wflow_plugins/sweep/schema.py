"""The JSON schema of grids, for editors: under every override, what a spec may say at its path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from wflow_core.specs.schema import spec_schema
from wflow_plugins.sweep.grid import Grid

Schema = dict[str, Any]


def grid_schema() -> Schema:
    """The schema of a grid, its overrides checked as far as their paths tell what they may be.

    ``zoo.networks`` may be what it may be for any zoo, as a grid does not say which one its base
    spec has. Below an option, as in ``zoo.optimizer.lr``, any name is let through.
    """
    spec, schema = spec_schema(), Grid.model_json_schema()
    fields = {name: dict(_options(of, spec["$defs"])) for name, of in spec["properties"].items()}
    paths = dict(spec["properties"])
    paths |= {f"{name}.{o}": takes for name, of in fields.items() for o, takes in of.items()}
    # Where no options are known, as of a broken plugin, any name may be right.
    ends = [path for path in paths if not fields.get(path)]
    axes = {path: {"type": "array", "items": of, "minItems": 1} for path, of in paths.items()}
    overrides = _object(paths, ends, {})
    schema["$defs"] |= spec["$defs"] | {
        "overrides": overrides,
        "axes": _object(axes, ends, {"type": "array", "minItems": 1}),
    }
    _refer(schema, "set", "overrides")
    _refer(schema, "grid", "axes")
    _refer(schema["$defs"]["Row"], "set", "overrides")
    return {"$schema": spec["$schema"]} | schema


def _object(properties: Schema, ends: Iterable[str], deeper: Schema) -> Schema:
    """Paths by name, and whatever is below their ends."""
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": {f"^({'|'.join(map(re.escape, ends))})\\.\\S+$": deeper},
        "additionalProperties": False,
    }


def _refer(owner: Schema, name: str, definition: str) -> None:
    """Have a property be what is defined elsewhere, with its own default and description."""
    known = owner["properties"][name]
    said = {key: known[key] for key in ("default", "description") if key in known}
    owner["properties"][name] = {"$ref": f"#/$defs/{definition}"} | said


def _options(field: Schema, definitions: Schema) -> Iterator[tuple[str, Schema]]:
    """Options of whatever may stand in a field; none where not all of them are known."""
    objects = list(_objects(field, definitions))
    if any(of.get("additionalProperties") is not False for of in objects):
        return
    for name in dict.fromkeys(name for of in objects for name in of["properties"]):
        takes = [of["properties"][name] for of in objects if name in of["properties"]]
        different = [each for i, each in enumerate(takes) if each not in takes[:i]]
        yield name, different[0] if len(different) == 1 else {"anyOf": different}


def _objects(field: Schema, definitions: Schema) -> Iterator[Schema]:
    """The mappings that a field may be."""
    if "$ref" in field:
        yield from _objects(definitions[field["$ref"].rpartition("/")[2]], definitions)
    for choice in field.get("anyOf", ()):
        yield from _objects(choice, definitions)
    if field.get("type") == "object":
        yield field
