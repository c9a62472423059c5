"""What was run, as a short list: each component of the spec with its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wflow_core.registry import KINDS
from wflow_core.specs.spec import STAGES

OMITTED = (STAGES, "metrics", "baselines", "hooks")
"""Fields that are not listed: their results are on the page, and the whole spec below the list."""


@dataclass(frozen=True)
class Part:
    """A component by its name, or a stage without one, and its options as ``(name, value)``."""

    name: str
    options: list[tuple[str, str]]


def composition(spec: Mapping[str, Any]) -> list[tuple[str, list[Part]]]:
    """``(field of the spec, its parts)``: components, then stages; empty fields are left out."""
    fields = [of.field for of in KINDS.values() if of.field and of.field not in OMITTED]
    rows = []
    for field in (*fields, *spec.get(STAGES, ())):
        value = spec.get(field)
        found = value if isinstance(value, list | tuple) else [value]
        parts = [_part(each) for each in found if isinstance(each, dict)]
        if parts:
            rows.append((field, parts))
    return rows


def _part(value: Mapping[str, Any]) -> Part:
    options = [
        (name, format_option(of))
        for name, of in value.items()
        if name != "type" and of not in (None, [], {})
    ]
    return Part(str(value.get("type", "")), options)


def format_option(value: Any) -> str:
    """An option on one line, much as in YAML; the name of a component before its options."""
    if isinstance(value, dict):
        inner = ", ".join(
            f"{n} {format_option(v)}" for n, v in value.items() if n != "type" and v is not None
        )
        name = str(value.get("type", ""))
        return f"{name} ({inner})".strip() if inner else name
    if isinstance(value, list | tuple):
        return f"[{', '.join(format_option(v) for v in value)}]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
