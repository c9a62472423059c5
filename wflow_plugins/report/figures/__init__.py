"""The figures of the report, one a module: each takes the run, and is None without its data."""

from __future__ import annotations

from collections.abc import Iterator

from wflow_plugins.report.data import RunData
from wflow_plugins.report.figures.average import average
from wflow_plugins.report.figures.bands import bands
from wflow_plugins.report.figures.barriers import barriers
from wflow_plugins.report.figures.canvas import Picture
from wflow_plugins.report.figures.distributions import distribution
from wflow_plugins.report.figures.fine_tuning import fine_tuning
from wflow_plugins.report.figures.novelty import novelty
from wflow_plugins.report.figures.plane import seen_from_above
from wflow_plugins.report.figures.steps import steps
from wflow_plugins.report.figures.training import training
from wflow_plugins.report.steps import Curve

__all__ = ["Picture", "pictures"]


def pictures(run: RunData, curve: Curve | None) -> list[Picture]:
    """All that can be drawn, in the order of the page."""
    return [picture for picture in _all(run, curve) if picture]


def _all(run: RunData, curve: Curve | None) -> Iterator[Picture | None]:
    shown = [*run.scores[:1], *(s for s in run.scores[1:] if s == "loss")]
    yield from (distribution(run, score) for score in shown)
    yield novelty(run)
    yield average(run)
    yield from fine_tuning(run)
    yield bands(run)
    yield steps(run, curve) if curve else None
    yield training(run)
    yield seen_from_above(run)
    yield barriers(run)
