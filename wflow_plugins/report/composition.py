"""What was run, as a short list: each part of the spec with its options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FIELDS = (
    "task", "architecture", "zoo", "canonicalizers", "codec", "manifold", "prior", "coupling",
    "velocity", "train", "solver", "guidance", "sample",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A component by its name, or a stage without one, and its options as ``(name, value)``."""

    name: str
    options: list[tuple[str, str]]


def composition(spec: dict[str, Any]) -> list[tuple[str, list[Part]]]:
    """``(field of the spec, its parts)``; what the spec leaves out is left out."""
    rows = []
    for field in FIELDS:
        value = spec.get(field)
        found = value if isinstance(value, list | tuple) else [value]
        parts = [_part(each) for each in found if isinstance(each, dict)]
        if parts:
            rows.append((field, parts))
    return rows


def _part(value: dict[str, Any]) -> Part:
    options = [(n, told(v)) for n, v in value.items() if n != "type" and v not in (None, [], {})]
    return Part(str(value.get("type", "")), options)


def told(value: Any) -> str:
    """An option as YAML would have it on one line, a component's name before its options."""
    if isinstance(value, dict):
        inner = ", ".join(
            f"{n} {told(v)}" for n, v in value.items() if n != "type" and v is not None
        )
        name = str(value.get("type", ""))
        return f"{name} ({inner})".strip() if inner else name
    if isinstance(value, list | tuple):
        return f"[{', '.join(told(v) for v in value)}]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
