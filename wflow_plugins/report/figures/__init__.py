"""The figures of the report, a module each: a function of the run, None where data is missing."""

from __future__ import annotations

from collections.abc import Iterator

from wflow_plugins.report.data import LOSS, RunData
from wflow_plugins.report.figures.average import average
from wflow_plugins.report.figures.bands import bands
from wflow_plugins.report.figures.barriers import barriers
from wflow_plugins.report.figures.canvas import Picture
from wflow_plugins.report.figures.distributions import distribution
from wflow_plugins.report.figures.fine_tuning import fine_tuning
from wflow_plugins.report.figures.novelty import novelty
from wflow_plugins.report.figures.plane import pca_plane
from wflow_plugins.report.figures.steps import steps
from wflow_plugins.report.figures.training import training
from wflow_plugins.report.steps import StepsCurve

__all__ = ["Picture", "draw_all"]


def draw_all(run: RunData, curve: StepsCurve | None) -> list[Picture]:
    """Every figure that the data allows, in the order of the page."""
    return [picture for picture in _draw(run, curve) if picture]


def _draw(run: RunData, curve: StepsCurve | None) -> Iterator[Picture | None]:
    shown = [*run.scores[:1], *(score for score in run.scores[1:] if score == LOSS)]
    yield from (distribution(run, score) for score in shown)
    yield novelty(run)
    yield average(run)
    yield from fine_tuning(run)
    yield bands(run)
    yield steps(run, curve) if curve else None
    yield training(run)
    yield pca_plane(run)
    yield barriers(run)
