"""One sentence about the quality and the novelty of the samples, computed from the metrics.

It always names a cheap baseline that is as good and as far from the zoo.
"""

from __future__ import annotations

from wflow_plugins.report.data import RunData
from wflow_plugins.report.names import phrase
from wflow_plugins.report.numbers import as_number, format_short, join_words, lookup

TOLERANCE = 0.5
"""Means that differ by less than this fraction of the zoo's standard deviation count as equal."""
FAR = 0.9
"""A baseline is as far as the samples from this fraction of their distance on."""
NEAREST = ("novelty", "nearest_ratio")
SPREAD = ("novelty", "spread_ratio")
WORSE = (
    (0.9, "a little worse than the zoo"),
    (0.5, "clearly worse than the zoo"),
    (0.1, "far worse than the zoo"),
)
"""By the least fraction of the gain from untrained networks to the zoo."""


def verdict(run: RunData) -> str:
    """Quality beside the zoo, novelty, and whether a cheap baseline has both."""
    good, new = quality(run), novelty(run)
    if good and new:
        return f"The samples are {good} and {new}; {rivals(run)}."
    if good:
        return f"The samples are {good}; how new they are was not measured."
    if new:
        return f"The samples are {new}; how good they are was not measured."
    return moments(run) or "Neither how good the samples are nor how new was measured."


def quality(run: RunData) -> str | None:
    """The main score of the samples beside the zoo's; None without a score."""
    score = run.scores[0] if run.scores else ""
    samples, zoo = run.mean("samples", score), run.mean("zoo", score)
    if samples is None or zoo is None:
        return None
    gap = (samples - zoo) * run.sign(score)
    if abs(gap) <= TOLERANCE * _deviation(run, score):
        text = "about as good as the zoo"
    elif gap > 0:
        text = "better than the zoo"
    else:
        text = _worse(run, score, samples, zoo)
    return f"{text} ({score} {format_short(samples)} against {format_short(zoo)})"


def _worse(run: RunData, score: str, samples: float, zoo: float) -> str:
    """How much worse: by the fraction of the gain from untrained networks to the zoo."""
    untrained = run.mean("untrained", score)
    gain = zoo - untrained if untrained is not None else 0.0
    if untrained is None or gain * run.sign(score) <= 0:
        return "worse than the zoo"
    fraction = (samples - untrained) / gain
    texts = (text for least, text in WORSE if fraction >= least)
    return next(texts, "no better than untrained networks")


def novelty(run: RunData) -> str | None:
    """Distances to the zoo and between samples, in units of those between training runs."""
    nearest, spread = run.mean("samples", *NEAREST), run.mean("samples", *SPREAD)
    if nearest is None:
        return None
    ratio = f"{nearest:.2f} times the distance between training runs"
    if nearest < 0.3:
        text = f"next to copies of zoo networks ({ratio})"
    elif nearest < 0.8:
        text = f"nearer to the zoo than its networks are to each other ({ratio})"
    elif nearest <= 1.25:
        text = f"as far from the zoo as its networks are from each other ({ratio})"
    else:
        text = f"farther from the zoo than its networks are from each other ({ratio})"
    if spread is not None and spread < 0.5:
        text += f", but much alike (their spread is {spread:.2f} of that of training runs)"
    return text


def rivals(run: RunData) -> str:
    """Cheap baselines that are as good and as far, of a run where both were measured."""
    baselines = run.cheap_baselines
    found = [phrase(name) for name in baselines if _is_rival(run, name)]
    if found:
        singular = len(found) == 1 and found[0].startswith(("a ", "the "))
        reach, score = ("reaches", "scores") if singular else ("reach", "score")
        return (
            f"but {join_words(found)} {reach} as far and {score} as well, so that these figures "
            "alone do not show what the flow adds"
        )
    if not baselines:
        return "there is no baseline to compare them with"
    return "no cheap baseline is both as good and as far"


def _is_rival(run: RunData, baseline: str) -> bool:
    score = run.scores[0]
    own, other = run.mean("samples", score), run.mean(baseline, score)
    distance, reached = run.mean("samples", *NEAREST), run.mean(baseline, *NEAREST)
    if own is None or other is None or distance is None or reached is None:
        return False
    as_good = (other - own) * run.sign(score) >= -TOLERANCE * _deviation(run, score)
    return as_good and reached >= FAR * distance


def _deviation(run: RunData, score: str) -> float:
    """The standard deviation of the zoo's networks; at least a thousandth of their mean."""
    spread = as_number(lookup(run.numbers.get("zoo", {}), score, "std")) or 0.0
    return max(spread, 1e-3 * abs(run.mean("zoo", score) or 0.0))


def moments(run: RunData) -> str | None:
    """Moments of the weights, where nothing else was measured."""
    found = [run.mean(p, "weights", m) for p in ("samples", "zoo") for m in ("mean", "std")]
    if any(value is None for value in found):
        return None
    mean, std, zoo_mean, zoo_std = (format_short(value or 0.0) for value in found)
    return (
        f"The weights of the samples have mean {mean} and standard deviation {std}, those of the "
        f"zoo {zoo_mean} and {zoo_std}."
    )
