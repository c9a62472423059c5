"""The JSON schema of specs, for editors: every installed component with its options."""

from __future__ import annotations

from typing import Any

from wflow_core import registry
from wflow_core.errors import PluginError
from wflow_core.interfaces.component import KIND_KEYWORD
from wflow_core.specs.resolve import TASK, own_names
from wflow_core.specs.spec import STAGES, spec_model

OWN_TASK = {
    "anyOf": [{"$ref": f"#/$defs/{TASK}"}, {"type": "null"}],
    "description": "in place of the run's task",
}


def spec_schema() -> dict[str, Any]:
    """The schema of a spec; a component whose plugin is broken is accepted by name only."""
    stages = [plugin.name for plugin in registry.plugins("stage")]
    schema = spec_model(stages).model_json_schema()
    definitions = schema.setdefault("$defs", {})
    for kind in registry.KINDS:
        if kind != "stage":
            definitions[kind] = {"anyOf": _choices(kind, definitions)}
    for name in stages:
        schema["properties"][name] = _options("stage", name, definitions)
    schema["properties"][STAGES]["items"] = {"enum": stages}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | _define_kinds(schema)


def _choices(kind: str, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    names = [plugin.name for plugin in registry.plugins(kind)]
    choices: list[dict[str, Any]] = [{"enum": names}] if names else [{"type": "string"}]
    return choices + [_options(kind, name, definitions) for name in names]


def _options(kind: str, name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    named = kind != "stage"
    try:
        cls = registry.load(kind, name)
    except PluginError:
        required = {"properties": {"type": {"const": name}}, "required": ["type"]}
        return {"type": "object"} | (required if named else {})
    # Two plugins may well have an `Optimizer` each.
    own = f"{kind}.{name}."
    options: dict[str, Any] = cls.Config.model_json_schema(ref_template=f"#/$defs/{own}{{model}}")
    definitions.update({own + n: of for n, of in options.pop("$defs", {}).items()})
    options["title"] = f"{kind} {name}"
    options["description"] = (cls.__doc__ or "").strip()
    given: dict[str, Any] = {"type": {"const": name}} if named else {}
    given |= dict.fromkeys(own_names(kind), OWN_TASK)
    options["properties"] = given | options.get("properties", {})
    options["required"] = [*["type"] * named, *options.get("required", [])]
    return options


def _define_kinds(schema: Any) -> Any:
    """The schema with references to the definitions of kinds in place of their names."""
    if isinstance(schema, list):
        return [_define_kinds(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _define_kinds(of) for key, of in schema.items() if key != KIND_KEYWORD}
    kind = schema.get(KIND_KEYWORD)
    return {"$ref": f"#/$defs/{kind}"} | found if kind else found
