"""One sentence that says how good and how new the samples are, computed from the figures.

It is honest by rule: a cheap null that is as good and as far is named.
"""

from __future__ import annotations

from wflow_plugins.report.data import RunData, at, number
from wflow_plugins.report.names import IN_WORDS

SAME = 0.5
"""Means that differ by less than half a standard deviation of the zoo's networks are alike."""
FAR = 0.9
"""A null reaches as far from this fraction of the samples' distance on."""


def verdict(run: RunData) -> str:
    """How good beside the zoo, how new, and whether a cheap null does the same."""
    good, new = goodness(run), newness(run)
    if good and new:
        return _sentence(f"The samples are {good} and {new}; {beside_nulls(run)}")
    if good:
        return _sentence(f"The samples are {good}; how new they are was not measured")
    if new:
        return _sentence(f"The samples are {new}; how good they are was not measured")
    return _sentence(moments(run) or "Neither how good the samples are nor how new was measured")


def goodness(run: RunData) -> str | None:
    """The main score of the samples beside that of the zoo; None where there is none."""
    if not run.scores:
        return None
    score = run.scores[0]
    samples, zoo = run.mean("samples", score), run.mean("zoo", score)
    if samples is None or zoo is None:
        return None
    gap = (samples - zoo) * run.sign(score)
    if abs(gap) <= SAME * _unit(run, score):
        said = "about as good as the zoo"
    elif gap > 0:
        said = "better than the zoo"
    else:
        said = _worse(run, score, samples, zoo)
    return f"{said} ({score} {short(samples)} against {short(zoo)})"


def _worse(run: RunData, score: str, samples: float, zoo: float) -> str:
    """How much worse, by how far samples have come from untrained networks to the zoo."""
    untrained = run.mean("untrained", score)
    way = zoo - untrained if untrained is not None else 0.0
    if untrained is None or way * run.sign(score) <= 0:
        return "worse than the zoo"
    done = (samples - untrained) / way
    steps = ((0.9, "a little worse than the zoo"), (0.5, "clearly worse than the zoo"))
    for least, said in (*steps, (0.1, "far worse than the zoo")):
        if done >= least:
            return said
    return "no better than untrained networks"


def newness(run: RunData) -> str | None:
    """The distance to the zoo and to each other, over that between training runs."""
    nearest = run.mean("samples", "novelty", "nearest_ratio")
    spread = run.mean("samples", "novelty", "spread_ratio")
    if nearest is None:
        return None
    times = f"{nearest:.2f} times the distance between training runs"
    if nearest < 0.3:
        said = f"next to copies of zoo networks ({times})"
    elif nearest < 0.8:
        said = f"nearer to the zoo than its networks are to each other ({times})"
    elif nearest <= 1.25:
        said = f"as far from the zoo as its networks are from each other ({times})"
    else:
        said = f"farther from the zoo than its networks are from each other ({times})"
    if spread is not None and spread < 0.5:
        said += f", but much alike (their spread is {spread:.2f} of that of training runs)"
    return said


def beside_nulls(run: RunData) -> str:
    """Whether cheap nulls are as good and as far; the caller knows that both were measured."""
    found = [said for name, said in IN_WORDS.items() if _rivals(run, name)]
    if found:
        reach, score = (
            ("reaches", "scores") if found == [IN_WORDS["gaussian"]] else ("reach", "score")
        )
        return (
            f"but {joined(found)} {reach} as far and {score} as well, so that these figures alone "
            "do not show what the flow adds"
        )
    if not any(name in run.numbers for name in IN_WORDS):
        return "there is no null to compare them with"
    return "no cheap null is both as good and as far"


def _rivals(run: RunData, null: str) -> bool:
    score = run.scores[0]
    own, other = run.mean("samples", score), run.mean(null, score)
    path = ("novelty", "nearest_ratio")
    distance, reached = run.mean("samples", *path), run.mean(null, *path)
    if own is None or other is None or distance is None or reached is None:
        return False
    as_good = (other - own) * run.sign(score) >= -SAME * _unit(run, score)
    return as_good and reached >= FAR * distance


def _unit(run: RunData, score: str) -> float:
    """The standard deviation of the zoo's networks; at least a thousandth of their mean."""
    spread = number(at(run.numbers.get("zoo", {}), score, "std")) or 0.0
    return max(spread, 1e-3 * abs(run.mean("zoo", score) or 0.0))


def moments(run: RunData) -> str | None:
    """Where only the distribution of weights was measured: its moments."""
    of = [run.mean(p, "weights", m) for p in ("samples", "zoo") for m in ("mean", "std")]
    if any(value is None for value in of):
        return None
    mean, std, zoo_mean, zoo_std = (short(value or 0.0) for value in of)
    return (
        f"The weights of the samples have mean {mean} and standard deviation {std}, those of the "
        f"zoo {zoo_mean} and {zoo_std}"
    )


def short(value: float) -> str:
    """Three digits behind the point, or three that count."""
    return f"{value:.3f}" if 0.01 <= abs(value) < 1000 or value == 0 else f"{value:.3g}"


def joined(names: list[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _sentence(text: str) -> str:
    return f"{text}."
