from __future__ import annotations

import base64
import json
import re
import shutil
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from plugin_support import content, file_size_limit, refused, tiny, wflow, write_spec

from wflow_core.errors import StoreError
from wflow_core.weights import WeightLayout, WeightSet
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.report.data import RunData
from wflow_plugins.report.figures import draw_all
from wflow_plugins.report.figures.ranges import Quantiles, axis_limits
from wflow_plugins.report.numbers import keep_finite
from wflow_plugins.report.page import render_page
from wflow_plugins.report.plane import principal_plane
from wflow_plugins.report.read import read_run
from wflow_plugins.report.steps import steps_curve
from wflow_plugins.report.verdict import verdict
from wflow_plugins.report.write import write_report

SECTIONS = ["results", "figures", "composition", "record"]
FIGURES = [
    "distribution-0", "distribution-1", "novelty", "average", "steps", "training", "plane",
    "barriers",
]  # fmt: skip
EVIL = "<script>alert('$x^2$ & \"q\"')</script>"
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """The structure of a page: every tag is closed by its own."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def drawings(html: Page) -> list[str]:
    sources = [str(image["src"]) for image in html.all("img")]
    start = "data:image/svg+xml;base64,"
    assert all(source.startswith(start) for source in sources)
    return [base64.b64decode(source.removeprefix(start)).decode() for source in sources]


def finished(folder: Path, **lines: str | None) -> Path:
    spec = write_spec(folder, tiny(**{"hooks": "[]"} | lines))
    result = wflow("run", spec, "--out", folder / "run")
    assert result.exit_code == 0, result.stderr
    return folder / "run"


def report(run: Path, *more: str) -> Page:
    result = wflow("report", run, *more)
    assert result.exit_code == 0, result.stderr
    return Page((run / "report.html").read_text("utf-8"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything that the report can show, written by the default hooks."""
    metrics = "[task_score, model_average, novelty, loss_barrier]"
    lines = {"canonicalizers": "[weight_matching]", "coupling": "independent", "prior": "gaussian"}
    folder = tmp_path_factory.mktemp("whole")
    return finished(folder, hooks=None, metrics=metrics, **lines)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def test_all_that_it_can_show(whole: Path) -> None:
    html = Page((whole / "report.html").read_text("utf-8"))
    assert [s["id"] for s in html.all("section")] == SECTIONS
    assert [f["id"] for f in html.all("figure")] == FIGURES
    assert len(html.all("figcaption")) == len(FIGURES)
    assert all(len(image["alt"] or "") > 20 for image in html.all("img"))
    for said in ("tiny", "weight_matching", "neuron_transformer", "seed 0", "collected", "± "):
        assert said in html.text
    for stage in ("collect", "canonicalize", "train", "sample", "evaluate"):
        assert stage in html.text
    spec = (whole / "spec.yaml").read_text("utf-8")
    assert spec in html.text


def test_the_table_shows_the_metrics(whole: Path) -> None:
    html = Page((whole / "report.html").read_text("utf-8"))
    metrics = json.loads((whole / "metrics.json").read_text())
    (highlighted,) = [row for row in html.all("tr") if row.get("class")]
    assert highlighted["class"] == "samples"
    for row in (metrics["samples"], metrics["zoo"], metrics["baselines"]["gaussian"]):
        assert f"{row['accuracy']['mean']:.4f}± {row['accuracy']['std']:.4f}" in html.text
    assert f"{metrics['novelty']['nearest_ratio']:.4f}" in html.text


def test_the_page_loads_nothing_and_runs_nothing(whole: Path) -> None:
    text = (whole / "report.html").read_text("utf-8")
    html = Page(text)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in html.tags}
    assert not [a for _, attributes in html.tags for a in attributes if a.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text
    policy = next(m for m in html.all("meta") if "http-equiv" in m)
    assert "default-src 'none'" in str(policy["content"])
    for drawing in drawings(html):
        ElementTree.fromstring(drawing)
        assert not re.findall(r'(?:href|src)="(?!#)|url\((?!#)|<script|<image', drawing)
        assert set(re.findall(r"https?://[^\"]+", drawing)) <= {
            "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink",
        }  # fmt: skip


def test_the_same_run_gives_the_same_report(whole: Path, tmp_path: Path) -> None:
    before = (whole / "report.html").read_bytes()
    assert wflow("report", whole, "--out", tmp_path / "again.html").exit_code == 0
    assert (tmp_path / "again.html").read_bytes() == before


def test_text_of_users_is_escaped(copy: Path) -> None:
    metrics = json.loads((copy / "metrics.json").read_text())
    metrics["baselines"][EVIL] = metrics["baselines"]["gaussian"] | {"loss": EVIL}
    metrics["samples"]["accuracy"]["std"] = EVIL
    metrics["seconds"]["sample"] = [EVIL]
    (copy / "metrics.json").write_text(json.dumps(metrics))
    record = json.loads((copy / "record.json").read_text())
    record["versions"][EVIL] = EVIL
    record["machine"]["device"] = EVIL
    record["plugins"]["task"] = EVIL
    (copy / "record.json").write_text(json.dumps(record))
    with (copy / "spec.yaml").open("a") as file:
        file.write(f"# {EVIL}\n")
    html = report(copy, "--no-steps")
    assert html.text.count(EVIL) >= 5
    assert not html.all("script")


def test_text_of_users_is_escaped_in_figures(whole: Path) -> None:
    run = read_run(whole)
    values = {k.replace("accuracy", EVIL): v for k, v in run.values.items()}
    metrics = json.loads(json.dumps(run.metrics).replace('"accuracy"', json.dumps(EVIL)))
    run = replace(run, values=values, metrics=metrics)
    assert run.scores == [EVIL, "loss"]
    html = Page(render_page(run, draw_all(run, None), [EVIL]))
    assert not html.all("script")
    accuracy, loss, *_ = (list(ElementTree.fromstring(d).itertext()) for d in drawings(html))
    assert EVIL in accuracy
    assert EVIL not in loss


@pytest.mark.parametrize(
    ("lines", "figures"),
    [
        ({"metrics": "[]"}, ["steps", "training", "plane"]),
        ({"metrics": "[novelty]"}, ["steps", "training", "plane"]),
        ({"metrics": "[task_score]", "solver": "{type: euler, steps: 1}"},
         ["distribution-0", "distribution-1", "training", "plane"]),
        ({"task": "gaussian", "zoo": "{type: gaussian, networks: 12}", "metrics": "[moments]",
          "coupling": "independent", "prior": "gaussian"}, ["training", "plane"]),
    ],
)  # fmt: skip
def test_figures_without_data_are_left_out(
    tmp_path: Path, lines: dict[str, str], figures: list[str]
) -> None:
    html = report(finished(tmp_path, **lines))
    assert [f["id"] for f in html.all("figure")] == figures
    assert ("No score by solver steps" in html.text) == ("steps" not in figures)


def test_a_solver_that_chooses_its_own_steps_has_no_curve(tmp_path: Path) -> None:
    run = read_run(finished(tmp_path, solver="{type: dopri5, steps: 2}"))
    assert steps_curve(run, 8, print) == "the solver chooses its own steps"


def test_the_curve_over_steps_ends_at_the_samples_of_the_run(whole: Path) -> None:
    run, said = read_run(whole), []
    curve = steps_curve(run, 4, said.append)
    assert not isinstance(curve, str)
    assert {steps: len(values) for steps, values in curve.values.items()} == {1: 4, 2: 4, 4: 8}
    torch.testing.assert_close(curve.values[4], run.values["samples/accuracy"])
    assert said == ["4 networks in 1 of 4 steps", "4 networks in 2 of 4 steps"]


def test_long_sampling_is_cut_to_fewer_networks(whole: Path) -> None:
    run = read_run(whole)
    slow = replace(run, metrics=run.metrics | {"seconds": {"sample": 1e9}})
    few = steps_curve(slow, 64, print)
    assert not isinstance(few, str)
    assert len(few.values[1]) == 8


def test_a_run_that_is_not_finished_is_refused(copy: Path, tmp_path: Path) -> None:
    before = content(copy)
    (copy / "metrics.json").unlink()
    said = refused(wflow("report", copy))
    assert "the run is not finished (metrics.json is missing)" in said
    (copy / "metrics.json").write_bytes(before["metrics.json"])
    shutil.rmtree(copy / "evaluation")
    assert "not of a finished stage 'evaluate'" in refused(wflow("report", copy))
    assert (copy / "report.html").read_bytes() == before["report.html"]
    assert "is no run folder" in refused(wflow("report", tmp_path))


def test_a_full_disk_leaves_the_report_that_was_there(copy: Path) -> None:
    before = content(copy)
    with file_size_limit(4096):
        assert "report.html: cannot be written" in refused(wflow("report", copy, "--no-steps"))
    assert content(copy) == before


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    spec = write_spec(tmp_path, tiny(hooks="[report]", metrics="[]"))
    said = refused(wflow("run", spec, "--out", tmp_path / "run"))
    assert said.startswith("wflow: hook 'report' raised in wflow_run_end: UnsupportedError: ")
    assert "the report needs matplotlib" in said
    assert "pip install matplotlib" in said


def test_matplotlib_settings_of_the_user_change_nothing(whole: Path) -> None:
    import matplotlib

    run = read_run(whole)
    plain = [picture.svg for picture in draw_all(run, None)]
    with matplotlib.rc_context({"text.usetex": True, "font.size": 30, "svg.fonttype": "path"}):
        assert [picture.svg for picture in draw_all(run, None)] == plain
        assert matplotlib.rcParams["font.size"] == 30


def measured(whole: RunData, **means: tuple[float, float | None]) -> RunData:
    """The run with other figures: ``(accuracy, nearest ratio)`` of each population."""
    rows: dict[str, Any] = {}
    for name, (score, nearest) in means.items():
        rows[name] = {"accuracy": {"mean": score, "std": 0.01}}
        rows[name] |= {"novelty": {"nearest_ratio": nearest}} if nearest is not None else {}
    metrics = {"zoo": rows.pop("zoo"), "samples": rows.pop("samples"), "baselines": rows}
    metrics["novelty"] = metrics["samples"].pop("novelty", {})
    return replace(whole, metrics=metrics)


ZOO, BAD = (0.9, None), (0.5, 1.2)


@pytest.mark.parametrize(
    ("means", "said"),
    [
        ({"samples": (0.897, 1.0)}, "about as good as the zoo (accuracy 0.897 against 0.900) and "
         "as far from the zoo as its networks are from each other"),
        ({"samples": (0.92, 1.0)}, "better than the zoo"),
        ({"samples": (0.88, 1.0)}, "a little worse than the zoo"),
        ({"samples": (0.75, 1.0)}, "clearly worse than the zoo"),
        ({"samples": (0.6, 1.0)}, "far worse than the zoo"),
        ({"samples": (0.5, 1.0)}, "no better than untrained networks"),
        ({"samples": (0.9, 1.5)}, "farther from the zoo than its networks"),
        ({"samples": (0.9, 0.5)}, "nearer to the zoo than its networks"),
        ({"samples": (0.9, 0.1)}, "next to copies of zoo networks"),
        ({"samples": (0.9, None)}, "how new they are was not measured"),
        ({"samples": (0.9, 1.0), "interpolation": (0.9, 0.5), "zoo_noise": (0.8, 1.0)},
         "no cheap baseline is both as good and as far"),
        ({"samples": (0.9, 1.0), "gaussian": (0.9, 1.0)},
         "but a Gaussian fit reaches as far and scores as well"),
        ({"samples": (0.5, 1.2)}, "untrained networks reach as far and score as well"),
        ({"samples": (0.9, 1.0), "retrained": (0.9, 1.0)}, "no cheap baseline"),
    ],
)  # fmt: skip
def test_the_verdict(whole: Path, means: dict[str, Any], said: str) -> None:
    run = measured(read_run(whole), **{"zoo": ZOO, "untrained": BAD} | means)
    assert said in verdict(run)


def test_less_is_better_where_untrained_networks_have_more(whole: Path) -> None:
    run = measured(read_run(whole), zoo=(0.1, None), samples=(0.3, 1.0), untrained=(0.9, 1.2))
    assert run.sign("accuracy") == -1
    assert "clearly worse than the zoo" in verdict(run)


def test_only_finite_numbers_are_kept() -> None:
    found = keep_finite(
        {"a": float("nan"), "b": "1", "c": {"d": 2, "e": None}, "f": True, "g": [1]}
    )
    assert found == {"c": {"d": 2.0}}


def test_values_that_are_not_finite_are_counted_not_drawn(whole: Path) -> None:
    run = read_run(whole)
    broken = run.values["baselines/zoo_noise/loss"].clone()
    broken[:3] = torch.tensor([torch.inf, -torch.inf, torch.nan])
    run = replace(run, values=run.values | {"baselines/zoo_noise/loss": broken})
    loss = next(p for p in draw_all(run, None) if p.name == "distribution-1")
    assert "zoo + noise (3 not finite)" in loss.svg
    assert "nan" not in loss.svg


def test_one_remote_population_does_not_widen_the_axis() -> None:
    near = Quantiles.of(torch.linspace(0.9, 1, 50))
    far = Quantiles.of(torch.linspace(0, 0.1, 50))
    assert axis_limits([near], [near, far]) == axis_limits([near], [near])
    low, high = axis_limits([near], [near, Quantiles.of(torch.linspace(0.8, 0.95, 50))])
    assert 0.79 < low < 0.9 < 1 <= high + 0.002 < 1.1


def test_the_plane_is_that_of_a_singular_value_decomposition(generator: torch.Generator) -> None:
    from wflow_core.interfaces.task import Signature

    architecture = Mlp(Signature((2,), 2), hidden=[])  # no unit that could be exchanged
    layout = WeightLayout.of_parameters(architecture.template)
    scale = torch.tensor([5.0, 2.0, 1.0, 0.5, 0.1, 0.1])
    weights = torch.randn(40, layout.size, generator=generator) * scale
    zoo = WeightSet.from_module(architecture.template, weights)
    found = principal_plane(architecture.symmetry, zoo, zoo[:7])
    assert found is not None
    centred = (weights - weights.mean(0)).double()
    left, singular, _ = torch.linalg.svd(centred, full_matrices=False)
    expected = left[:, :2] * singular[:2]
    torch.testing.assert_close(found.zoo.abs(), expected.abs())
    torch.testing.assert_close(found.samples, found.zoo[:7])
    torch.testing.assert_close(found.explained, singular[:2].square() / singular.square().sum())
    assert principal_plane(architecture.symmetry, zoo[:1], zoo) is None


def test_the_command_is_in_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "docs/_ext")
    from wflow_reference.commands import commands

    _, found, section = commands().partition("## `wflow report`\n")
    assert found
    assert "`--no-steps`" in section.partition("\n## ")[0]


def test_a_report_elsewhere_replaces_nothing(whole: Path, tmp_path: Path) -> None:
    precious = tmp_path / "mine.html"
    precious.write_text("precious")
    with pytest.raises(StoreError, match="exists already"):
        write_report(whole, precious, steps=False)
    assert precious.read_text() == "precious"
