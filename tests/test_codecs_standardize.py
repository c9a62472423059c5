"""Standardized weights: known answers, and the way back."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from codec_support import NETWORK, P, low_rank, normal, zoo_of
from sklearn.preprocessing import StandardScaler

from wflow_plugins.codecs.part_blocks import part_offsets
from wflow_plugins.codecs.standardize import Standardize


def fitted(weights: torch.Tensor, per: str) -> Standardize:
    codec = Standardize(NETWORK, per=per)
    codec.fit(zoo_of(weights))
    return codec


@pytest.mark.parametrize("n", [3, 40])
def test_each_weight_as_scikit_learn_does(n: int) -> None:
    w = low_rank(n, 3)
    w[:, 5] = 0.1  # a constant
    codec = fitted(w, "weight")
    expected = torch.from_numpy(StandardScaler().fit_transform(w.numpy()))
    torch.testing.assert_close(codec.encode(w), expected, rtol=0, atol=1e-11)
    torch.testing.assert_close(codec.decode(expected), w, rtol=0, atol=1e-11)


def test_each_part_has_mean_zero_and_variance_one() -> None:
    w = 1e6 + normal(5, P)
    slices = part_offsets(NETWORK.symmetry).tolist()
    codec = fitted(w, "part")
    for a, b in pairwise(slices):
        part = codec.encode(w)[:, a:b]
        assert abs(part.mean()) < 1e-9
        assert abs(part.std(correction=0) - 1) < 1e-9
        torch.testing.assert_close(codec.scale[slices.index(a)], w[:, a:b].std(correction=0))
    torch.testing.assert_close(codec.decode(codec.encode(w)), w)


@pytest.mark.parametrize("per", ["weight", "part"])
def test_what_is_constant_keeps_its_unit(per: str) -> None:
    w = torch.full((3, P), 0.1, dtype=torch.float64)
    codec = fitted(w, per)
    assert torch.equal(codec.scale, torch.ones_like(codec.scale))
    torch.testing.assert_close(codec.encode(w + 2), torch.full_like(w, 2.0))


def test_one_network_is_the_origin() -> None:
    w = normal(1, P)
    codec = fitted(w, "weight")
    assert torch.equal(codec.encode(w), torch.zeros_like(w))
    torch.testing.assert_close(codec.encode(w + 1), torch.ones_like(w))


@pytest.mark.parametrize("per", ["weight", "part"])
def test_float32_weights_stay_float32(per: str) -> None:
    w = low_rank(4, 2).float()
    codec = fitted(w, per)
    assert codec.encode(w).dtype == codec.decode(w).dtype == torch.float32
    torch.testing.assert_close(codec.decode(codec.encode(w)), w)
