"""Principal components: known answers, what is refused, and streaming."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from codec_support import EXACT, MODES, NETWORK, P, fitted, low_rank, normal, sharded
from plugin_support import tiny, wflow, write_spec
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

import wflow_core
from wflow_core.errors import DataError, UnsupportedError
from wflow_core.testing.fixtures import seeded
from wflow_plugins.codecs import part_blocks
from wflow_plugins.codecs.part_blocks import part_offsets
from wflow_plugins.codecs.pca import Pca
from wflow_plugins.streaming.columns import InMemoryColumns


def same_but_for_signs(found: Tensor, expected: Tensor) -> None:
    signs = (found * expected).sum(0).sign()
    torch.testing.assert_close(found * signs, expected, **EXACT)


@pytest.mark.parametrize("n", [8, 200], ids=["more weights", "more networks"])
@pytest.mark.parametrize("whiten", [True, False])
@pytest.mark.parametrize("standardize", ["none", "weight"])
def test_as_scikit_learn_does(n: int, whiten: bool, standardize: str) -> None:
    w, new = low_rank(n, 5, 0.3), low_rank(4, 5, 0.3, seed=7)
    known = PCA(6, whiten=whiten, svd_solver="full")
    steps = [StandardScaler(), known] if standardize == "weight" else [known]
    pipeline = make_pipeline(*steps).fit(w.numpy())
    codec = fitted(w, 6, whiten=whiten, standardize=standardize)
    ratio = torch.from_numpy(known.explained_variance_ratio_)
    torch.testing.assert_close(codec.explained_variance_ratio, ratio, **EXACT)
    for of in (w, new):
        same_but_for_signs(codec.encode(of), torch.from_numpy(pipeline.transform(of.numpy())))
    back = torch.from_numpy(pipeline.inverse_transform(pipeline.transform(new.numpy())))
    torch.testing.assert_close(codec.decode(codec.encode(new)), back, **EXACT)
    torch.testing.assert_close(codec.coordinates, codec.encode(w), **EXACT)


def test_parts_count_alike_when_standardized_by_part() -> None:
    w, ends = normal(9, P), part_offsets(NETWORK.symmetry).tolist()
    scaled = w.clone()
    for i, (a, b) in enumerate(pairwise(ends)):
        scaled[:, a:b] *= 10.0**i
    plain, other = (fitted(x, 8, standardize="part") for x in (w, scaled))
    torch.testing.assert_close(other.coordinates, plain.coordinates, **EXACT)
    torch.testing.assert_close(other.learned["total"] * 8 / 9, torch.tensor(P).double())
    torch.testing.assert_close(other.decode(other.coordinates), scaled)


def test_a_zoo_of_lower_rank_is_described_without_loss() -> None:
    w = torch.cat([low_rank(12, 4)] * 2)  # every network twice
    codec = fitted(w, 1.0)
    assert codec.dim == 4
    torch.testing.assert_close(codec.decode(codec.encode(w)), w, **EXACT)
    torch.testing.assert_close(codec.explained_variance_ratio.sum().item(), 1.0)
    with pytest.raises(DataError, match=r"24 networks span 4 directions; set codec\.components to"):
        fitted(w, 5)


def test_rounding_to_float32_is_the_rank_that_is_left_out() -> None:
    w = low_rank(30, 4).float()
    codec = fitted(w, 4)
    assert codec.encode(w).dtype == codec.decode(codec.encode(w)).dtype == torch.float32
    torch.testing.assert_close(codec.decode(codec.encode(w)), w, rtol=0, atol=2e-5)
    directions = codec.learned["directions"].double()
    torch.testing.assert_close(directions @ directions.T, torch.eye(4).double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("standardize", MODES)
def test_constant_weights_stay_as_they_are(standardize: str) -> None:
    w = low_rank(6, 3)
    w[:, 10:30] = 0.1
    codec = fitted(w, 2, standardize=standardize)
    new = codec.decode(normal(5, 2))
    torch.testing.assert_close(new[:, 10:30], torch.full((5, 20), 0.1, dtype=w.dtype))


def test_a_fraction_is_of_the_total_variance() -> None:
    codes = torch.linalg.qr(normal(9, 4) - normal(9, 4).mean(0)).Q  # orthonormal, of mean 0
    basis = torch.linalg.qr(normal(P, 4)).Q
    w = codes * torch.tensor([8, 4, 2, 1]).double().sqrt() @ basis.T  # 8/15, 12/15, 14/15
    for fraction, k in [(0.5, 1), (0.6, 2), (0.79, 2), (0.81, 3), (0.94, 4), (1.0, 4)]:
        assert fitted(w, fraction).dim == k
    expected = torch.tensor([8, 4]).double() / 15
    torch.testing.assert_close(fitted(w, 2).explained_variance_ratio, expected)


def test_what_has_no_components() -> None:
    for w in (normal(1, P), normal(1, P).expand(5, P)):
        for components in (1, 0.5):
            with pytest.raises(DataError, match="networks of the zoo are equal"):
                fitted(w, components)
    with pytest.raises(UnsupportedError, match=f"52 components of networks with {P} weights"):
        Pca(NETWORK, components=P + 1)
    assert Pca(NETWORK, components=0.9).dim is None
    with pytest.raises(DataError, match="leave no residual to estimate"):
        fitted(normal(6, P), 5, residual=True)
    with pytest.raises(DataError, match=f"with 7 weights; the architecture has {P}"):
        Pca(NETWORK).fit_columns(InMemoryColumns(normal(3, 7)))


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("standardize", MODES)
def test_streamed_is_the_same_as_held(
    standardize: str, residual: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w, new = low_rank(11, 4, 0.3), low_rank(3, 4, 0.3, seed=5)
    options = {"standardize": standardize, "residual": residual}
    held, codec = fitted(w, 4, **options), Pca(NETWORK, components=4, **options)
    columns = sharded(w, tmp_path)
    monkeypatch.setattr(part_blocks, "BLOCK_COLUMNS", 7)
    monkeypatch.setattr(columns, "width", lambda: 14)
    codec.fit_columns(columns)
    stored, codec = codec.state(), Pca(NETWORK, components=4, **options)
    codec.load_state(stored)
    with pytest.raises(DataError, match="computed from the zoo; attach the zoo's networks"):
        codec.encode(new)
    with pytest.raises(DataError, match="fitted to 11 networks, attached to 3"):
        codec.attach(InMemoryColumns(new))
    codec.attach(columns)
    z = held.encode(new)
    torch.testing.assert_close(codec.coordinates, held.coordinates, **EXACT)
    torch.testing.assert_close(codec.encode_columns(InMemoryColumns(new)), z, **EXACT)
    torch.testing.assert_close(codec.encode(new), z, **EXACT)
    torch.testing.assert_close(codec.decode(z), held.decode(z), **EXACT)
    cut = torch.cat([block for _, block in codec.decode_columns(z)], 1)
    torch.testing.assert_close(cut, held.decode(z), **EXACT)
    torch.testing.assert_close(codec.encode(codec.decode_stochastic(z, seeded())), z, **EXACT)


def test_a_run_samples_within_the_components(tmp_path: Path) -> None:
    lines = {"prior": "gaussian", "coupling": "independent", "velocity": "{type: mlp, width: 8}"}
    text = tiny(codec="{type: pca, components: 3, standardize: part}", **lines)
    result = wflow("run", write_spec(tmp_path, text), "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    flow = wflow_core.load(tmp_path / "out")
    codec, w = flow.components.codec, flow.samples.weights
    assert isinstance(codec, Pca)
    torch.testing.assert_close(codec.decode(codec.encode(w)), w)
    expected = codec.encode(flow.zoo.weights)
    torch.testing.assert_close(codec.coordinates.to(expected), expected, rtol=0, atol=1e-4)


def test_what_is_stored_of_a_streamed_zoo_does_not_grow_with_the_weights() -> None:
    codec = Pca(NETWORK, components=3)
    codec.fit_columns(InMemoryColumns(low_rank(11, 4)))
    assert all(P not in tensor.shape for tensor in codec.state().values())


def test_streamed_decoding_has_the_same_gradient() -> None:
    w = low_rank(11, 4)
    held, codec = fitted(w, 4), Pca(NETWORK, components=4)
    codec.fit_columns(InMemoryColumns(w))
    gradients = []
    for of in (held, codec):
        z = normal(3, 4).requires_grad_()
        of.decode(z).pow(3).sum().backward()
        gradients.append(z.grad)
    torch.testing.assert_close(gradients[0], gradients[1])
