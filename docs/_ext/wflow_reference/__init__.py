"""Reference text generated from the code, so that it cannot be stale.

A line ``<!-- wflow:NAME ARGUMENT -->`` of a page stands for what ``GENERATORS[NAME]`` makes of the
argument. Nothing here needs sphinx; the extension beside this package puts it into the site.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from wflow_reference import commands, components, grids, interfaces

GENERATORS: dict[str, Callable[..., str]] = {
    "spec": components.spec,
    "components": components.all_kinds,
    "builtins": components.builtins,
    "missing": components.missing,
    "kinds": interfaces.kinds,
    "interface": interfaces.interface,
    "needs": interfaces.needs,
    "hook_methods": interfaces.hook_methods,
    "commands": commands.commands,
    "grid": grids.grid,
}
PLACEHOLDER = re.compile(r"^<!-- wflow:(\w+)(?: (\w+))? -->$", re.MULTILINE)


def render(text: str) -> str:
    """A page with every placeholder replaced."""

    def generated(match: re.Match[str]) -> str:
        name, argument = match.groups()
        return GENERATORS[name](*([argument] if argument else []))

    return PLACEHOLDER.sub(generated, text)
