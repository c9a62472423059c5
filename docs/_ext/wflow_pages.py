"""The sphinx extension of this site: generated reference text, and the role ``plugin``.

``{plugin}`KIND NAME` `` names a built-in component and links to its options; a name that does not
exist is a warning, and so fails the build.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

from docutils import nodes
from pydantic import BaseModel
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole
from wflow_reference import PLACEHOLDER, render
from wflow_reference.components import label


class PluginRole(SphinxRole):
    """A built-in component by kind and name."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        kind, _, name = self.text.partition(" ")
        reference = addnodes.pending_xref(
            "",
            nodes.literal(name, name),
            refdomain="std",
            reftype="ref",
            reftarget=label(kind, name),
            refexplicit=True,
            refwarn=True,
            refdoc=self.env.docname,
        )
        return [reference], []


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_role("plugin", PluginRole())
    app.connect("source-read", _read)
    app.connect("env-get-outdated", _outdated)
    app.connect("autodoc-process-signature", _short_signature)
    app.connect("autodoc-skip-member", _skip_member)
    return {"version": "1", "parallel_read_safe": True}


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = render(source[0])


def _outdated(app: Sphinx, env: Any, added: Any, changed: Any, removed: Any) -> list[str]:
    """Pages with generated text are read anew each time: the code may have changed."""
    pages = {name: Path(env.doc2path(name)) for name in env.found_docs}
    return [n for n, path in pages.items() if PLACEHOLDER.search(path.read_text("utf-8"))]


def _short_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: Any
) -> Any:
    """Models take their fields, which the reference of the spec describes."""
    if isinstance(obj, type) and issubclass(obj, BaseModel):
        return "(**fields)", None
    plain = re.sub(r"<function (\w+)>", r"\1", signature or "").replace("<factory>", "...")
    return plain or None, returns


def _skip_member(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> Any:
    """Public methods and properties are listed, those without a docstring among them."""
    if name == "model_config":
        return True
    own = getattr(obj, "__qualname__", f".{name}").endswith(f".{name}")  # not a field's default
    method = own and isinstance(obj, FunctionType | MethodType | property | cached_property)
    return False if skip and method and not name.startswith("_") else None
