"""How right predicted class probabilities are.

Shapes: B inputs, C classes; leading axes ``...`` range over networks.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def brier(p: Tensor, y: Tensor) -> Tensor:
    """Probabilities ``[..., B, C]``, classes ``[B] -> [...]``: squared distance to the truth.

    Summed over classes, mean over inputs, so between 0 and 2; for two classes twice the score of
    one of them alone. Source: Brier 1950, Verification of forecasts expressed in terms of
    probability, equation 2.
    """
    return (p - F.one_hot(y, p.shape[-1])).square().sum(-1).mean(-1)


def expected_calibration_error(p: Tensor, y: Tensor, bins: int) -> Tensor:
    """``[..., B, C]``, ``[B] -> [...]``: mean gap between how sure and how right networks are.

    Inputs go by their confidence, the largest probability, into equal bins ``((m - 1) / bins,
    m / bins]``; a bin's gap is ``|accuracy - mean confidence|`` of its inputs, and bins count by
    their inputs. Source: Guo et al. 2017 (arXiv 1706.04599), equation 3.
    """
    confidence, decided = p.max(-1)
    excess = (decided == y).to(p) - confidence
    bin_of = (confidence * bins).ceil().long().clamp(1, bins) - 1
    gaps = p.new_zeros(*p.shape[:-2], bins).scatter_add(-1, bin_of, excess)
    return gaps.abs().sum(-1) / p.shape[-2]


def negative_log_likelihood(log_p: Tensor, y: Tensor) -> Tensor:
    """Log-probabilities ``[..., B, C]``, ``[B] -> [...]`` in nats, mean over inputs."""
    index = y.expand(log_p.shape[:-1]).unsqueeze(-1)
    return -torch.take_along_dim(log_p, index, -1).squeeze(-1).mean(-1)
