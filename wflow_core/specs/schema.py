"""The JSON schema of specs, for editors: every installed component with its options."""

from __future__ import annotations

from typing import Any

from wflow_core import registry
from wflow_core.errors import PluginError
from wflow_core.specs.components import ON_TASK, Slot, TaskSlot
from wflow_core.specs.spec import LISTS, Spec

TASK = {
    "anyOf": [{"$ref": "#/$defs/task"}, {"type": "null"}],
    "description": "in place of the run's task",
}


def spec_schema() -> dict[str, Any]:
    """The schema of a spec; a component whose plugin is broken is accepted by name only."""
    schema = Spec.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    for slot in (Slot, TaskSlot):
        definitions.pop(slot.__name__, None)
    for name in Spec.model_fields:
        kind = LISTS.get(name, name)
        if kind not in registry.KINDS:
            continue
        definitions[kind] = {"anyOf": _choices(kind, definitions)}
        reference: dict[str, Any] = {"$ref": f"#/$defs/{kind}"}
        known = schema["properties"][name]
        if name in LISTS:
            reference = {"type": "array", "items": reference}
        elif "anyOf" in known:
            reference = {"anyOf": [reference, {"type": "null"}]}
        schema["properties"][name] = reference | {k: known[k] for k in ["default"] if k in known}
    own = definitions["SampleOptions"]["properties"]["architecture"]
    own["anyOf"] = [{"$ref": "#/$defs/architecture"}, {"type": "null"}]
    records = {"type": "array", "items": {"type": "string"}}
    known = schema["properties"]["condition"]
    schema["properties"]["condition"] = {
        "anyOf": [{"$ref": known["$ref"]}, records],
        "default": known["default"],
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def _choices(kind: str, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    names = [plugin.name for plugin in registry.plugins(kind)]
    choices: list[dict[str, Any]] = [{"enum": names}] if names else [{"type": "string"}]
    return choices + [_options(kind, name, definitions) for name in names]


def _options(kind: str, name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    try:
        cls = registry.load(kind, name)
    except PluginError:
        return {"type": "object", "properties": {"type": {"const": name}}, "required": ["type"]}
    # Two plugins may well have an `Optimizer` each.
    own = f"{kind}.{name}."
    options: dict[str, Any] = cls.Config.model_json_schema(ref_template=f"#/$defs/{own}{{model}}")
    definitions.update({own + n: of for n, of in options.pop("$defs", {}).items()})
    options["title"] = f"{kind} {name}"
    options["description"] = (cls.__doc__ or "").strip()
    given = {"type": {"const": name}} | dict.fromkeys(ON_TASK.get(kind, ()), TASK)
    options["properties"] = given | options.get("properties", {})
    options["required"] = ["type", *options.get("required", [])]
    return options
