"""A former option, section, component or value is an error that gives the new name."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugin_support import refused, tiny, wflow, write_spec

from wflow_core.errors import SpecError
from wflow_core.specs.spec import spec_from_text


def problems(text: str, *overrides: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        spec_from_text(text, "s.yaml", overrides)
    return list(caught.value.problems)


# Of a line of the spec, the section: what is written in it, and what it is now.
TRAIN = {
    "lr: 1e-3": "optimizer.lr, as in {optimizer: {type: adamw, lr: 1e-3}}",
    "weight_decay: 0.1": "optimizer.weight_decay, as in {optimizer: {type: adamw, ...}}",
    "muon_lr: 0.1": "optimizer, as in {optimizer: {type: muon, muon_lr: 1e-2}}",
    "behavior: {weight: 1.0, rows: 8}":
        "losses, as in {losses: [{type: function, weight: 1.0, num_inputs: 128}]}",
    "path_noise: 0.1": "sigma",
    "clip: 1.0": "grad_clip_norm",
    "ema: 0.9": "ema_decay",
    "held_out: 0.1": "val_fraction",
}  # fmt: skip
# Of a component: its place in a spec, its name, the former option, the new name.
OPTIONS = [
    ("zoo", "checkpoints, folder: x", "naming", "name_pattern"),
    ("zoo", "checkpoints, folder: x", "records", "metadata"),
    ("condition", "covariates, names: [loss]", "records", "names"),
    ("condition", "covariates, names: [loss]", "drop", "p_uncond"),
    ("metrics", "likelihood", "distribution", "probe_distribution"),
    ("canonicalizers", "weight_matching", "rounds", "reference_updates"),
    ("canonicalizers", "transfusion", "rounds", "reference_updates"),
    ("canonicalizers", "activation_matching", "rounds", "reference_updates"),
    ("canonicalizers", "activation_matching", "samples", "num_rows"),
    ("canonicalizers", "sinkhorn_rebasin", "rounds", "reference_updates"),
    ("canonicalizers", "sinkhorn_rebasin", "polish", "refine_sweeps"),
    ("guidance", "task_loss", "fresh", "resample"),
    ("solver", "guided_euler", "noise_from", "noise_start"),
    ("solver", "guided_euler", "noise_to", "noise_end"),
]
LISTS = ("metrics", "canonicalizers")


def test_a_section() -> None:
    assert problems(tiny(nulls="[soup]")) == [
        "s.yaml:14:1: unknown option nulls: it is now baselines"
    ]


@pytest.mark.parametrize("written", TRAIN)
def test_an_option_of_training(written: str) -> None:
    option = written.partition(":")[0]
    said = f"unknown option train.{option}: it is now train.{TRAIN[written]}"
    assert problems(tiny(train=f"{{{written}}}")) == [f"s.yaml:9:9: {said}"]
    value = written.partition(": ")[2]
    assert problems(tiny(), f"train.{option}={value}") == [f"--set train.{option}: {said}"]


@pytest.mark.parametrize(("field", "component", "option", "now"), OPTIONS)
def test_an_option_of_a_component(field: str, component: str, option: str, now: str) -> None:
    written = f"{{type: {component}, {option}: 1}}"
    path, column = field, len(f"{field}: ") + written.index(f"{option}:") + 1
    if field in LISTS:
        written, path, column = f"[{written}]", f"{field}.0", column + 1
    text = tiny(**{field: written})
    line = next(n for n, of in enumerate(text.splitlines(), 1) if of.startswith(f"{field}:"))
    said = f"unknown option {path}.{option}: it is now {path}.{now}"
    assert problems(text) == [f"s.yaml:{line}:{column}: {said}"]


@pytest.mark.parametrize(
    ("field", "written", "place", "former", "now"),
    [
        ("zoo", "{type: several, zoos: {a: gaussian}}", "5:13: zoo", "zoo 'several'", "union"),
        ("metrics", "[l2]", "12:11: metrics.0", "metric 'l2'", "weight_distance"),
        ("metrics", "[{type: wrong_iou}]", "12:18: metrics.0", "metric 'wrong_iou'", "error_iou"),
    ],
)
def test_a_component(field: str, written: str, place: str, former: str, now: str) -> None:
    [line] = problems(tiny(**{field: written}))
    assert line.startswith(f"s.yaml:{place}: unknown {former} (renamed to '{now}'); installed: ")


def test_a_value() -> None:
    assert problems(tiny(train="{predict: target}")) == [
        "s.yaml:9:18: train.predict: input should be 'velocity' or 'x1'; got 'target' "
        "(it is now 'x1')"
    ]


NAMED = "input should be the name of a component, or a mapping with a `type`; got "


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[loss]", f": {NAMED}['loss']; write {{type: covariates, names: [loss]}}"),
        ("[loss, a]", f": {NAMED}['loss', 'a']; write {{type: covariates, names: [loss, a]}}"),
        ("[]", f": {NAMED}[]; write null"),
        (
            "{records: [loss], drop: 0.2}",
            ".type is missing; write {type: covariates, names: [loss], p_uncond: 0.2}",
        ),
        ("{records: [loss]}", ".type is missing; write {type: covariates, names: [loss]}"),
        ("{drop: 0.2}", ".type is missing; write {type: covariates, p_uncond: 0.2}"),
        ("{names: [loss]}", ".type is missing"),
        ("3", f": {NAMED}3"),
    ],
)
def test_a_condition_without_a_type(written: str, said: str) -> None:
    assert problems(tiny(condition=written)) == [f"s.yaml:14:12: condition{said}"]


@pytest.mark.parametrize("written", ["[loss]", "{records: [loss], drop: 0.2}"])
def test_what_is_to_be_written_is_right(written: str) -> None:
    [line] = problems(tiny(condition=written))
    now = line.partition("; write ")[2]
    condition = spec_from_text(tiny(condition=now)).components[("condition",)].options
    assert condition.names == ("loss",)


def test_all_of_them_at_once(tmp_path: Path) -> None:
    spec = write_spec(
        tmp_path, tiny(nulls="[soup]", metrics="[l2]", train=f"{{{', '.join(TRAIN)}}}")
    )
    lines = refused(wflow("check", spec)).splitlines()
    assert len(lines) == len(TRAIN) + 2
    assert all(" it is now " in line or "(renamed to " in line for line in lines)
