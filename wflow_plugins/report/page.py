"""The page: everything that was read, said and drawn, through one template that escapes it."""

from __future__ import annotations

from importlib.metadata import version
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from wflow_plugins.report.composition import composition
from wflow_plugins.report.data import RunData, at, number
from wflow_plugins.report.figures import Picture
from wflow_plugins.report.tables import seconds, table, tiles
from wflow_plugins.report.verdict import verdict

Rows = list[tuple[str, ...]]


def page(run: RunData, pictures: list[Picture], notes: list[str]) -> str:
    """The whole report as HTML; ``notes`` say what could not be drawn, and why."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(files(__package__).joinpath("page.html").read_text("utf-8"))
    return template.render(
        name=run.spec["name"],
        seed=run.spec["seed"],
        sizes=_sizes(run),
        parts=[(field, p.name) for field, of in composition(run.spec) for p in of if p.name],
        verdict=verdict(run),
        tiles=tiles(run),
        table=table(run),
        scored=bool(run.scores),
        pictures=pictures,
        notes=notes,
        composition=composition(run.spec),
        spec=run.text,
        record=_record(run.record),
        version=version("weightspace-flow"),
    )


def _sizes(run: RunData) -> str:
    zoo, made = len(run.zoo), len(run.samples)
    return f"{made} samples from a zoo of {zoo} networks, {run.zoo.layout.size} weights each"


def _record(record: dict[str, Any]) -> list[tuple[str, Rows]]:
    """``(title, rows)``."""
    stages = _named(record, "stages")
    lasted: Rows = [(n, seconds(number(at(s, "seconds")) or 0.0)) for n, s in stages.items()]
    seeds: Rows = [(name, str(at(stage, "seed"))) for name, stage in stages.items()]
    return [
        ("Time by stage", lasted),
        ("Versions", _plain(_named(record, "versions"))),
        ("Machine", _plain(_named(record, "machine"))),
        ("Seeds of the stages", seeds),
        ("Plugins", _by_origin(_named(record, "plugins"))),
    ]


def _named(record: dict[str, Any], name: str) -> dict[str, Any]:
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def _plain(found: dict[str, Any]) -> Rows:
    return [(str(name), str(value)) for name, value in found.items()]


def _by_origin(plugins: dict[str, Any]) -> Rows:
    """Each distribution with the parts of the spec that it gave."""
    origins = list(dict.fromkeys(str(origin) for origin in plugins.values()))
    if len(origins) == 1:
        return [(origins[0], "every component")]
    return [(o, ", ".join(p for p, of in plugins.items() if str(of) == o)) for o in origins]
