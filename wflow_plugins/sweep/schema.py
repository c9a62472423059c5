"""The JSON schema of grids, for editors: each override takes what a spec takes at its path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from wflow_plugins.commands.spec_schema import spec_schema
from wflow_plugins.sweep.grid import Grid

Schema = dict[str, Any]


def grid_schema() -> Schema:
    """The schema of a grid, its overrides checked as far as their paths determine their types.

    ``zoo.networks`` takes what it takes for any zoo, since a grid does not name that of its base
    spec. Below an option, as in ``zoo.optimizer.lr``, any name is valid.
    """
    spec, schema = spec_schema(), Grid.model_json_schema()
    fields = {name: dict(_options(of, spec["$defs"])) for name, of in spec["properties"].items()}
    paths = dict(spec["properties"])
    paths |= {f"{name}.{o}": of for name, options in fields.items() for o, of in options.items()}
    # Where no options are known, as of a broken plugin, any name may be right.
    open_paths = [path for path in paths if not fields.get(path)]
    axes = {path: {"type": "array", "items": of, "minItems": 1} for path, of in paths.items()}
    schema["$defs"] |= spec["$defs"] | {
        "overrides": _mapping(paths, open_paths, {}),
        "axes": _mapping(axes, open_paths, {"type": "array", "minItems": 1}),
    }
    _set_reference(schema, "set", "overrides")
    _set_reference(schema, "grid", "axes")
    _set_reference(schema["$defs"]["Row"], "set", "overrides")
    return {"$schema": spec["$schema"]} | schema


def _mapping(properties: Schema, open_paths: Iterable[str], below: Schema) -> Schema:
    """A mapping from paths to their schemas, and from any path below open ones to ``below``."""
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": {f"^({'|'.join(map(re.escape, open_paths))})\\.\\S+$": below},
        "additionalProperties": False,
    }


def _set_reference(owner: Schema, name: str, definition: str) -> None:
    """Refer a property to a definition; its own default and description stay."""
    known = owner["properties"][name]
    kept = {key: known[key] for key in ("default", "description") if key in known}
    owner["properties"][name] = {"$ref": f"#/$defs/{definition}"} | kept


def _options(field: Schema, definitions: Schema) -> Iterator[tuple[str, Schema]]:
    """Options of all components that a field takes; none where some options are unknown."""
    mappings = list(_mappings(field, definitions))
    if any(of.get("additionalProperties") is not False for of in mappings):
        return
    for name in dict.fromkeys(name for of in mappings for name in of["properties"]):
        schemas = [of["properties"][name] for of in mappings if name in of["properties"]]
        distinct = [each for i, each in enumerate(schemas) if each not in schemas[:i]]
        yield name, distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _mappings(field: Schema, definitions: Schema) -> Iterator[Schema]:
    """The schemas of the mappings that a field takes."""
    if "$ref" in field:
        yield from _mappings(definitions[field["$ref"].rpartition("/")[2]], definitions)
    for choice in field.get("anyOf", ()):
        yield from _mappings(choice, definitions)
    if field.get("type") == "object":
        yield field
