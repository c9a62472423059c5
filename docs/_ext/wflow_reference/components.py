"""The spec, and every built-in component with its options."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any

from wflow_core import registry
from wflow_core.space import REASONS
from wflow_core.specs.spec import LISTS, Spec
from wflow_reference import options

DISTRIBUTION = "weightspace-flow"
ROLE = re.compile(r":(?:py:)?\w+:`~?")
SECTION = re.compile(r"^(Args|Attributes|Raises|Returns):$", re.MULTILINE)


def label(kind: str, name: str) -> str:
    """The target of a component's section."""
    return f"component-{kind}-{name}".replace("_", "-")


def names(kind: str) -> list[str]:
    """Built-in components of a kind; those of other distributions are left out."""
    return [p.name for p in registry.plugins(kind) if p.distribution == DISTRIBUTION]


def interface(kind: str) -> Any:
    """The class that a plugin of the kind implements."""
    module, _, name = registry.KINDS[kind][1].partition(":")
    return getattr(import_module(module), name)


def summary(thing: Any) -> str:
    """The docstring as Markdown, without its sections of arguments."""
    text = SECTION.split(inspect.getdoc(thing) or "")[0].strip()
    return ROLE.sub("`", text).replace("``", "`")


def first(thing: Any) -> str:
    """The first paragraph of the docstring, on one line."""
    return " ".join(summary(thing).split("\n\n")[0].split())


def spec() -> str:
    """Every field of a spec, then the options of the stages."""
    plain = {row.name: row for row in options.rows(Spec)}
    fields, stages = [], []
    for name, field in Spec.model_fields.items():
        kind = LISTS.get(name, name)
        if kind in registry.KINDS:
            takes = f"[{kind}](#kind-{kind})"
            takes = f"list of: {takes}" if name in LISTS else takes
            fields.append([f"`{name}`", takes, _default(field), first(interface(kind))])
        elif name in plain:
            fields.append(plain[name].cells())
        else:
            fields.append([f"`{name}`", f"[options](#spec-{name})", "", first(field.annotation)])
            stages.append(f"(spec-{name})=\n## {name}\n\n{summary(field.annotation)}")
            stages.append(options.options_table(field.annotation, f"{name}."))
    table = options.table(["field", "takes", "default", "meaning"], fields)
    return "\n\n".join([table, *stages])


def all_kinds() -> str:
    """A section a kind, and in it one a built-in component."""
    return "\n\n".join(_kind(kind) for kind in registry.KINDS)


def builtins(kind: str) -> str:
    """One line: the built-in components of a kind, or that there is none."""
    found = names(kind)
    if not found:
        return f"There is no built-in {kind} yet, only the interface for plugins."
    return f"Built in ({kind}): {', '.join(f'{{plugin}}`{kind} {name}`' for name in found)}."


def missing() -> str:
    """The kinds that have an interface and no built-in component."""
    found = [f"[{kind}](extending/{kind}.md)" for kind in registry.KINDS if not names(kind)]
    return f"Without a built-in so far: {', '.join(found) or 'none'}."


def _kind(kind: str) -> str:
    intro = [
        f"(kind-{kind})=\n## {kind}",
        f"{first(interface(kind))} [Write your own](extending/{kind}.md); entry-point group "
        f"`{registry.KINDS[kind][0]}`.",
    ]
    found = [_component(kind, name) for name in names(kind)]
    return "\n\n".join([*intro, *(found or [builtins(kind)])])


def _component(kind: str, name: str) -> str:
    cls = registry.load(kind, name)
    text = [f"({label(kind, name)})=\n### {kind} `{name}`", summary(cls)]
    if cls.needs:
        reasons = [REASONS.get(need, need).partition(";")[0] for need in sorted(cls.needs)]
        text.append(f"Needs: {'; '.join(reasons)}.")
    return "\n\n".join([*text, options.options_table(cls.Config)])


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, tuple):
        return options.code([slot.type for slot in value])
    if value is None:
        return "none"
    return options.code(value.type)
