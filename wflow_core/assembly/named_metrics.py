"""Metrics by their names, for a run that is finished."""

from __future__ import annotations

from wflow_core import registry
from wflow_core.assembly.assembly import Assembly
from wflow_core.errors import SpaceError
from wflow_core.interfaces.metric import Metric
from wflow_core.space import missing, offered


def metrics_of(a: Assembly, metric: Metric | str) -> list[Metric]:
    """Metrics of a name: as the spec has them, else one with its defaults.

    Raises:
        PluginError: there is none of that name.
        SpaceError: it needs what the run does not offer.
    """
    if isinstance(metric, Metric):
        return [metric]
    named = zip(a.spec.metrics, a.metrics, strict=True)
    if of_spec := [of for slot, of in named if slot.type == metric]:
        return of_spec
    cls = registry.load("metric", metric)
    offers = offered([a.task, a.architecture, a.zoo]) | a.space.offers
    if reasons := missing(cls, offers):
        raise SpaceError(f"metric {metric!r} {'; '.join(reasons)}")
    made: Metric = cls(a.task, a.architecture)
    made.recalibrate = a.recalibration
    return [made]
