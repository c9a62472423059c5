"""Tasks made in code: images of shapes, and a language with negation and order."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, strategies as st
from scipy.stats import rankdata, spearmanr
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.metrics import mean_absolute_error
from torch import Tensor, nn
from torch.nn import functional as F

from wflow_core.interfaces.task import Task
from wflow_core.testing.fixtures import seeded
from wflow_plugins.tasks.ranked_regression import RankedRegression, mean_ranks, rank_correlation
from wflow_plugins.tasks.sentiment import BUT, NOT, PAD, START, VERY, Sentiment, rating
from wflow_plugins.tasks.shapes import Shapes, contains_point


def test_shapes_are_what_they_are_called() -> None:
    axis = torch.linspace(-1.2, 1.2, 25)
    u, v = axis.expand(25, 25), axis.unsqueeze(1).expand(25, 25)
    drawn = contains_point(u, v)
    assert [shape[12, 12].item() for shape in drawn] == [True, False, True, True]
    assert [shape[2, 2].item() for shape in drawn] == [False, True, False, False]  # a corner
    assert [shape[2, 12].item() for shape in drawn] == [True, True, True, False]  # above
    assert [shape[6, 6].item() for shape in drawn] == [True, True, False, True]  # on a diagonal
    for shape in drawn:  # all have the symmetry of a square
        assert torch.equal(shape, shape.T)
        assert torch.equal(shape, shape.flip(0))


def test_areas_of_shapes() -> None:
    axis = torch.linspace(-1.2, 1.2, 400)
    drawn = contains_point(axis.expand(400, 400), axis.unsqueeze(1).expand(400, 400))
    areas = drawn.double().mean((1, 2)) * 2.4**2
    crosses = 2 * (2 * 0.5) - 0.5**2
    wanted = [torch.pi, 4 * (1 - 0.55**2), crosses, crosses]
    assert areas.tolist() == pytest.approx(wanted, abs=0.03)


def test_images_have_the_shape_asked_for_and_as_many_of_each_class() -> None:
    task = Shapes(n=40, channels=2, height=8, width=11)
    assert task.signature.inputs == (2, 8, 11)
    assert {n: len(s) for n, s in task.splits.items()} == {"train": 40, "val": 10, "test": 40}
    assert task.splits["train"].y.bincount().tolist() == [10] * 4
    assert task.splits["val"].y.bincount().tolist() == [3, 3, 2, 2]
    x = task.splits["train"].x
    assert x.mean((0, 2, 3)).abs().max() < 1e-5
    assert x.std((0, 2, 3)).sub(1).abs().max() < 1e-5
    assert not torch.equal(Shapes(n=40).splits["val"].x, Shapes(n=40, data_seed=1).splits["val"].x)


def test_shapes_lie_inside_of_their_images() -> None:
    x = Shapes(n=200, noise=0.0).splits["train"].x
    ground = x.amin((0, 2, 3), keepdim=True)
    seen = (x > ground + 1e-3).any(1).double().mean((1, 2))
    assert seen.min() > 0.05
    assert seen.max() < 0.6
    # Somewhere in the images, each of the outermost rows is reached, and no shape is cut off.
    assert (x[..., 0, :] > ground[..., 0] + 1e-3).double().mean() < 0.2


def trained(network: nn.Module, task: Task, epochs: int, batch_size: int = 50) -> Tensor:
    """Outputs on the test split, ``[1, M, C]``, after training by Adam."""
    optimizer, generator = torch.optim.Adam(network.parameters(), 5e-3), seeded(1)
    for _ in range(epochs):
        for batch in task.batches("train", batch_size, generator):
            optimizer.zero_grad()
            task.objective.loss(network(batch.x), batch.y).mean().backward()
            optimizer.step()
    with torch.no_grad():
        return network(task.splits["test"].x).unsqueeze(0)


def test_a_small_convolution_learns_shapes_and_a_linear_classifier_does_not() -> None:
    task = Shapes(n=600, channels=1, height=12, width=12)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        blocks = [nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        blocks += [nn.Conv2d(12, 24, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24 * 16, 4)]
        network = nn.Sequential(*blocks)
    test = task.splits["test"]
    score = task.objective.score(trained(network, task, epochs=14), test.y)
    assert score["accuracy"].item() > 0.95
    train = task.splits["train"]
    linear = RidgeClassifier(100).fit(train.x.flatten(1), train.y)
    assert linear.score(test.x.flatten(1), test.y) < 0.85


def said(*words: int | float) -> float:
    """The rating of a text: tokens as they are, meanings as numbers of their own."""
    judged = [w if isinstance(w, float) else 0.0 for w in words]
    tokens = [BUT + 1 if isinstance(w, float) else w for w in words]
    return rating(torch.tensor([[START, *tokens]]), torch.tensor([[0.0, *judged]])).item()


def test_a_rating_depends_on_negation_order_and_but() -> None:
    assert said(0.5, 0.25) == 0.75
    assert said(VERY, 0.5) == 1
    assert said(NOT, 0.5) == -0.5
    assert said(NOT, VERY, 0.5) == -1
    assert said(VERY, NOT, 0.5) == -0.5
    assert said(NOT, 0.5, 1.0) == 0.5
    assert said(0.5, NOT, 1.0) == -0.5
    assert said(-0.5, BUT, 1.0) == 1.5
    assert said(1.0, BUT, -0.5) == 0
    assert said(0.5, NOT, PAD, PAD) == 0.5


def test_texts_are_tokens_padded_behind_and_ratings_follow_the_rule() -> None:
    task = Sentiment(n=400, length=12, words=5, fillers=2, noise=0.01)
    assert task.signature.inputs == (12,)
    assert task.signature.vocabulary == 5 + 5 + 2
    assert task.token_scores.tolist() == [0, 0, 0, 0, 0, -1, -0.5, 0, 0.5, 1, 0, 0]
    assert {n: len(s) for n, s in task.splits.items()} == {"train": 400, "val": 100, "test": 400}
    x, y = task.splits["train"].x, task.splits["train"].y
    assert x.dtype == torch.int64
    assert (x[:, 0] == START).all()
    assert x.amax() == 11
    filled = (x != PAD).sum(1)
    assert filled.min() >= 6
    assert filled.max() == 12
    assert torch.equal(x != PAD, torch.arange(12) < filled.unsqueeze(1))
    clean = rating(x, task.token_scores[x])
    clean = (clean - clean.mean()) / clean.std()
    assert (y.squeeze(1) - clean).std().item() == pytest.approx(0.01, rel=0.1)
    assert not torch.equal(Sentiment(data_seed=1).splits["val"].x, Sentiment().splits["val"].x)


class Triples(nn.Module):
    """Each token with the two before it, through one hidden layer, summed over the text."""

    def __init__(self, vocabulary: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 16, padding_idx=PAD)
        self.hidden, self.out = nn.Linear(48, 48), nn.Linear(48, 1)

    def forward(self, x: Tensor) -> Tensor:
        e = F.pad(self.embedding(x), (0, 0, 2, 0))
        triples = torch.cat([e[:, 2:], e[:, 1:-1], e[:, :-2]], -1)
        return self.out(F.relu(self.hidden(triples)).sum(1))


def test_order_is_learned_and_the_words_alone_do_not_tell() -> None:
    task = Sentiment(n=1500)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Triples(task.signature.vocabulary)
    train, test = task.splits["train"], task.splits["test"]
    score = task.objective.score(trained(network, task, epochs=20, batch_size=100), test.y)
    counts = [F.one_hot(s.x, task.signature.vocabulary).sum(1) for s in (train, test)]
    words = LinearRegression().fit(counts[0], train.y).score(counts[1], test.y)
    assert words < 0.5
    assert score["r2"].item() > words + 0.2


def test_who_knows_the_rule_is_as_good_as_the_noise_allows() -> None:
    task = Sentiment(n=2000, noise=0.3)
    splits = task.splits
    ratings = {n: rating(s.x, task.token_scores[s.x]) for n, s in splits.items()}
    known = (ratings["test"] - ratings["train"].mean()) / ratings["train"].std()
    found = task.objective.score(known[None, :, None], splits["test"].y)
    assert found["r2"].item() == pytest.approx(1 / (1 + 0.3**2), abs=0.01)
    assert found["loss"].item() == pytest.approx(math.log(0.3) + 1.42, abs=0.05)
    assert found["spearman"].item() > 0.9


@given(seed=st.integers(0, 2**31), values=st.integers(2, 30))
def test_spearman_and_mae_are_those_of_scipy_and_scikit(seed: int, values: int) -> None:
    outputs, y = torch.randint(values, (2, 3, 12, 2), generator=seeded(seed)).double()
    y = y[0]
    y[0], y[1] = -1, 40  # no target is constant
    outputs[:, 0], outputs[:, 1] = 40, -1
    found = RankedRegression().score(outputs, y)
    for network in range(3):
        wanted = [spearmanr(outputs[network, :, c], y[:, c]).statistic for c in range(2)]
        assert found["spearman"][network].item() == pytest.approx(sum(wanted) / 2)
        assert found["mae"][network].item() == pytest.approx(
            mean_absolute_error(y, outputs[network])
        )


def test_ranks_are_shared_and_a_constant_has_no_order() -> None:
    values = torch.tensor([[3.0, 1.0, 3.0, 2.0], [5.0, 5.0, 5.0, 5.0]])
    assert mean_ranks(values).tolist() == (rankdata(values, axis=1) - 1).tolist()
    assert rank_correlation(values, values).tolist() == [1, 0]
    assert rank_correlation(-values[:1], values[:1]).tolist() == [-1]
    y = torch.tensor([[1.0], [2.0]])
    assert list(RankedRegression().score(torch.zeros(1, 2, 1), y)) == [
        "spearman", "r2", "rmse", "loss", "mae",
    ]  # fmt: skip
