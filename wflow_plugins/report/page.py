"""The page: texts, tables and figures, rendered by one template that escapes all of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from wflow_plugins.report.composition import composition
from wflow_plugins.report.data import RunData
from wflow_plugins.report.figures import Picture
from wflow_plugins.report.numbers import as_number, format_seconds, lookup
from wflow_plugins.report.tables import NOVELTY, further_numbers, kpis, results
from wflow_plugins.report.verdict import verdict

Rows = list[tuple[str, ...]]


def render_page(run: RunData, pictures: list[Picture], notes: list[str]) -> str:
    """The whole report as HTML.

    Args:
        notes: say what could not be drawn, and why.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(files(__package__).joinpath("page.html").read_text("utf-8"))
    table, spec = results(run), run.components.resolved
    parts = composition(spec)
    return template.render(
        name=run.components.name,
        seed=run.components.seed,
        sizes=_sizes(run),
        parts=[(field, part.name) for field, of in parts for part in of if part.name],
        verdict=verdict(run),
        kpis=kpis(run),
        table=table,
        further=further_numbers(run, table.paths),
        has_scores=bool(run.scores),
        has_novelty=any(path.startswith(f"{NOVELTY}.") for path in table.paths),
        pictures=pictures,
        notes=notes,
        composition=parts,
        spec=run.spec_text,
        record=_record_tables(run.record),
        version=version("weightspace-flow"),
    )


def _sizes(run: RunData) -> str:
    zoo, samples = len(run.zoo), len(run.samples)
    return f"{samples} samples from a zoo of {zoo} networks, {run.zoo.layout.size} weights each"


def _record_tables(record: Mapping[str, Any]) -> list[tuple[str, Rows]]:
    """``(title, rows)``."""
    stages = _group(record, "stages").items()
    times: Rows = [(n, format_seconds(as_number(lookup(s, "seconds")) or 0.0)) for n, s in stages]
    seeds: Rows = [(name, str(lookup(stage, "seed"))) for name, stage in stages]
    return [
        ("Time by stage", times),
        ("Versions", _to_rows(_group(record, "versions"))),
        ("Machine", _to_rows(_group(record, "machine"))),
        ("Seeds of the stages", seeds),
        ("Plugins", _by_origin(_group(record, "plugins"))),
    ]


def _group(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = record.get(name)
    return found if isinstance(found, Mapping) else {}


def _to_rows(found: Mapping[str, Any]) -> Rows:
    return [(str(name), str(value)) for name, value in found.items()]


def _by_origin(plugins: Mapping[str, Any]) -> Rows:
    """Each distribution with the components of the spec that are from it."""
    origins = list(dict.fromkeys(str(origin) for origin in plugins.values()))
    if len(origins) == 1:
        return [(origins[0], "every component")]
    return [(o, ", ".join(p for p, of in plugins.items() if str(of) == o)) for o in origins]
