"""What principal components leave out: measured a part, and drawn off the components."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from codec_support import EXACT, MODES, NETWORK, P, fitted, low_rank, normal
from plugin_support import tiny, wflow, write_spec

import wflow_core
from wflow_core.testing.fixtures import seeded
from wflow_plugins.codecs.part_blocks import part_offsets


@pytest.mark.parametrize("standardize", MODES)
def test_sampled_networks_keep_their_coordinates(standardize: str) -> None:
    codec = fitted(low_rank(20, 3, 0.1), 3, residual=True, standardize=standardize)
    z = normal(7, 3)
    new = codec.decode_stochastic(z, seeded(101))
    torch.testing.assert_close(codec.encode(new), z, **EXACT)
    assert torch.equal(codec.decode_stochastic(z, seeded(101)), new)
    assert not torch.equal(codec.decode_stochastic(z, seeded(102)), new)
    assert torch.equal(codec.decode(z), codec.decode(z))
    assert (new - codec.decode(z)).norm(dim=1).min() > 0.1


def test_the_residual_is_the_noise_of_each_part() -> None:
    ends = part_offsets(NETWORK.symmetry)
    stds = torch.tensor([0.2, 0.5, 0.3, 0.8, 0.4, 0.6]).double().repeat_interleave(ends.diff())
    found = []
    for seed in range(40):
        w = 50 * normal(12, 2, seed=seed) @ normal(2, P, seed=3) + stds * normal(
            12, P, seed=seed + 99
        )
        found.append(fitted(w, 2, residual=True).learned["left_out"])
    expected = stds[ends[:-1]]
    torch.testing.assert_close(
        torch.stack(found).square().mean(0).sqrt(), expected, rtol=0.1, atol=0
    )


def test_samples_leave_out_as_much_of_each_part_as_the_zoo() -> None:
    codec = fitted(low_rank(40, 3, 0.2), 3, residual=True)
    z = torch.zeros(400, 3).double()
    drawn = (codec.decode_stochastic(z, seeded()) - codec.decode(z)).square().mean().sqrt()
    w = low_rank(400, 3, 0.2)
    plane = w - fitted(w, 3).decode(fitted(w, 3).encode(w))
    torch.testing.assert_close(drawn, plane.square().mean().sqrt(), rtol=0.05, atol=0)


def test_without_residual_nothing_is_drawn() -> None:
    codec, z = fitted(low_rank(9, 3, 0.1), 3), normal(2, 3)
    torch.testing.assert_close(codec.decode_stochastic(z, seeded()), codec.decode(z), **EXACT)


def test_networks_of_a_run_have_what_components_leave_out(tmp_path: Path) -> None:
    text = tiny(
        codec="{type: pca, components: 2, residual: true}", velocity="{type: mlp, width: 8}",
        prior="{type: gaussian}", coupling="independent", hooks="[]",
    )  # fmt: skip
    result = wflow("run", write_spec(tmp_path, text), "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    flow = wflow_core.load(tmp_path / "out")
    codec, samples = flow.components.codec, flow.samples.weights
    assert codec
    left = samples - codec.decode(codec.encode(samples))
    assert left.norm(dim=1).min() > 1e-2
