"""The spec, and every built-in component with its options."""

from __future__ import annotations

import inspect
import re
from typing import Any

from wflow_core import registry
from wflow_core.interfaces.component import ComponentSpec
from wflow_core.registry import KINDS
from wflow_core.specs.spec import spec_model
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
    return registry.interface_of(kind)


def summary(thing: Any) -> str:
    """The docstring as Markdown, without its sections of arguments."""
    text = SECTION.split(inspect.getdoc(thing) or "")[0].strip()
    return ROLE.sub("`", text).replace("``", "`")


def first(thing: Any) -> str:
    """The first paragraph of the docstring, on one line."""
    return " ".join(summary(thing).split("\n\n")[0].split())


def spec() -> str:
    """Every field of a spec, then the options of each stage."""
    stages = names("stage")
    model = spec_model(stages)
    plain = {row.name: row for row in options.rows(model)}
    kind_of = {of.field: kind for kind, of in KINDS.items()}
    fields, sections = [], []
    for name, field in model.model_fields.items():
        if name in stages:
            cls = registry.load("stage", name)
            fields.append([f"`{name}`", f"[options](#spec-{name})", "", first(cls)])
            table = options.options_table(cls.Config, f"{name}.")
            sections.append(f"(spec-{name})=\n## {name}\n\n{summary(cls)}\n\n{table}")
        elif name in kind_of:
            kind = kind_of[name]
            takes = f"[{kind}](#kind-{kind})"
            takes = f"list of: {takes}" if KINDS[kind].many else takes
            fields.append([f"`{name}`", takes, _default(field), first(interface(kind))])
        else:
            fields.append(plain[name].cells())
    table = options.table(["field", "takes", "default", "meaning"], fields)
    return "\n\n".join([table, *sections])


def all_kinds() -> str:
    """A section a kind, and in it one a built-in component."""
    return "\n\n".join(_kind(kind) for kind in KINDS)


def builtins(kind: str) -> str:
    """One line: the built-in components of a kind, or that there is none."""
    found = names(kind)
    if not found:
        return f"There is no built-in {kind} yet, only the interface for plugins."
    return f"Built in ({kind}): {', '.join(f'{{plugin}}`{kind} {name}`' for name in found)}."


def missing() -> str:
    """The kinds that have an interface and no built-in component."""
    found = [f"[{kind}](extending/{kind}.md)" for kind in KINDS if not names(kind)]
    return f"Without a built-in so far: {', '.join(found) or 'none'}."


def _kind(kind: str) -> str:
    intro = [
        f"(kind-{kind})=\n## {kind}",
        f"{first(interface(kind))} [Write your own](extending/{kind}.md); entry-point group "
        f"`{KINDS[kind].group}`.",
    ]
    found = [_component(kind, name) for name in names(kind)]
    return "\n\n".join([*intro, *(found or [builtins(kind)])])


def _component(kind: str, name: str) -> str:
    cls = registry.load(kind, name)
    text = [f"({label(kind, name)})=\n### {kind} `{name}`", summary(cls)]
    if cls.needs:
        reasons = [getattr(n, "reason", n).partition(";")[0] for n in sorted(cls.needs)]
        text.append(f"Needs: {'; '.join(reasons)}.")
    return "\n\n".join([*text, options.options_table(cls.Config)])


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, tuple):
        return options.code([_name(each) for each in value])
    return "none" if value is None else options.code(_name(value))


def _name(value: Any) -> Any:
    return value.type if isinstance(value, ComponentSpec) else value
