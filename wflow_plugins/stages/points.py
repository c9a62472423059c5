"""Points of the space: whether they lie on its manifold, and a split by training run."""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_core.errors import DataError
from wflow_core.interfaces.manifold import Manifold
from wflow_core.space import PointSet


def check_on_manifold(x: Tensor, manifold: Manifold, what: str) -> None:
    """Raise if points ``[B, D]`` are off the manifold; projecting would change the networks.

    Raises:
        DataError: with how far off they are, and the remedy.
    """
    off = float((manifold.project_endpoint(x) - x).abs().max())
    if not off <= 1e-4:
        raise DataError(
            f"{what} do not lie on {manifold}: coordinates are off by up to {off:.3g}; "
            "use a canonicalizer or a codec that maps them onto it"
        )


def split_by_run(
    points: PointSet, fraction: float, generator: torch.Generator
) -> tuple[PointSet, PointSet]:
    """``(kept, held out)``: holds out a fraction of the *training runs*, at least one.

    With a single run, or a fraction of 0, nothing is held out, and both are the whole set.
    """
    runs = points.run.unique()
    if len(runs) < 2 or fraction == 0:
        return points, points
    order = runs[torch.randperm(len(runs), generator=generator, device=runs.device)]
    out = min(max(1, round(fraction * len(runs))), len(runs) - 1)
    held_out = torch.isin(points.run, order[:out])
    return points[(~held_out).nonzero().squeeze(1)], points[held_out.nonzero().squeeze(1)]
