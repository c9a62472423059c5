"""Figures and tables of the report where there is little room, or little to show."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure
from plugin_support import tiny, wflow, write_spec

from wflow_plugins.report.data import RunData
from wflow_plugins.report.figures import strips as module
from wflow_plugins.report.figures.canvas import style_of
from wflow_plugins.report.figures.strips import Strip, strip_plot
from wflow_plugins.report.figures.training import training
from wflow_plugins.report.page import render_page
from wflow_plugins.report.read import read_run

CORE = torch.linspace(0.90, 0.99, 90)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    folder = tmp_path_factory.mktemp("report")
    spec = write_spec(folder, tiny(hooks="[]", metrics="[task_score, novelty]"))
    assert wflow("run", spec, "--out", folder / "run").exit_code == 0
    return read_run(folder / "run")


def drawn(rows: list[Strip], monkeypatch: pytest.MonkeyPatch) -> Figure:
    """The figure itself, laid out."""
    figure = Figure((5.2, 3.5))

    def keep(draw: Any, size: Any) -> str:
        draw(figure)
        figure.draw_without_rendering()  # type: ignore[no-untyped-call]
        return ""

    monkeypatch.setattr(module, "to_svg", keep)
    strip_plot(rows, "score", (5.2, 3.5))
    return figure


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_number_at_an_edge_lies_on_no_point_or_bar(
    side: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail = torch.cat([CORE, 0.945 + side * torch.linspace(0.2, 9, 10)])
    rows = [*Strip.of("core", style_of("zoo"), CORE, is_core=True)]
    rows += Strip.of("tail", style_of("gaussian"), tail)
    figure = drawn(rows, monkeypatch)
    (axes,) = figure.axes
    (note,) = [text for text in axes.texts if text.get_text()]
    assert note.get_text().strip("‹› ") == "9"
    box = note.get_window_extent()
    marks = [line.get_window_extent() for line in axes.lines]
    for points in axes.collections:
        places = axes.transData.transform(points.get_offsets())
        assert not any(box.contains(x, y) for x, y in places)
    assert all(mark.x1 < box.x0 or mark.x0 > box.x1 for mark in marks)


def test_nothing_beyond_an_edge_leaves_no_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*Strip.of("core", style_of("zoo"), CORE, is_core=True)]
    low, high = drawn(rows, monkeypatch).axes[0].get_xlim()
    # A row that lies beyond as a whole has nothing drawn that its number could cover.
    rows += Strip.of("far", style_of("gaussian"), CORE + 100)
    assert drawn(rows, monkeypatch).axes[0].get_xlim() == (low, high)


def test_one_evaluation_is_no_curve(run: RunData) -> None:
    assert training(run) is not None
    assert training(replace(run, history=run.history[:1])) is None
    assert training(replace(run, history=[])) is None


class Cells(HTMLParser):
    """The names of the cells of each row of results."""

    rows: list[list[str | None]]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag == "td" and "data-name" in dict(attrs):
            self.rows[-1].append(dict(attrs)["data-name"])


def test_on_a_narrow_page_every_cell_says_what_it_is(run: RunData) -> None:
    cells = Cells()
    cells.rows = []
    text = render_page(run, [], [])
    cells.feed(text)
    rows = [row for row in cells.rows if row]
    assert len(rows) == len(run.numbers)
    assert all(row == ["accuracy", "loss", "nearest", "spread", "seconds"] for row in rows)
    assert ".results td::before { content: attr(data-name);" in text
