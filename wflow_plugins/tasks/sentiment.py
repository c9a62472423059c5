"""Sentiment regression on texts of a synthetic language.

Shapes: M texts, L tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Signature, Split, Task
from wflow_plugins.tasks.ranked_regression import RankedRegression

PAD, START, NOT, VERY, BUT = range(5)
FREQUENCIES = (0.15, 0.15, 0.05, 0.45, 0.2)
"""Frequencies of "not", "very", "but", all sentiment words and all filler words."""


class Sentiment(Task):
    """Regression of the rating of a text on its tokens, which depends on their order.

    Tokens are 0 for trailing padding, 1 for the start, 2 "not", 3 "very", 4 "but", then sentiment
    words with scores from -1 to 1, then filler words with score 0. "very" doubles the score of the
    next word, "not" negates the next word or the next "very" and word, and scores after the first
    "but" count twice. The rating is the sum of scores, standardised by the ratings of `train`, with
    Gaussian noise; the exact rule has an r2 of ``1 / (1 + noise^2)`` and a loss of
    ``log(noise) + 1.42`` nats.

    The signature has the size of the vocabulary: networks embed ``signature.vocabulary`` tokens.
    `test` has as many texts as `train`, `val` a quarter as many; they are sampled independently, so
    a short text may be in two splits, with different noise.
    """

    class Config(Options):
        n: int = Field(4000, ge=16, description="training texts")
        length: int = Field(
            8, ge=4, description="tokens of the longest texts, including the start token"
        )
        words: int = Field(8, ge=2, description="sentiment words in the vocabulary")
        fillers: int = Field(4, ge=1, description="filler words in the vocabulary")
        noise: float = Field(
            0.3,
            gt=0,
            description="standard deviation of the noise, relative to that of the ratings",
        )
        data_seed: int = Field(
            0, ge=0, description="seed of the data, independent of the run's seed"
        )

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.objective = RankedRegression(self.config.noise)

    @property
    def signature(self) -> Signature:
        return Signature((self.config.length,), 1, vocabulary=len(self.token_scores))

    @property
    def token_scores(self) -> Tensor:
        """``[V]``: the score of each token of the vocabulary, from -1 to 1."""
        judging = torch.linspace(-1, 1, self.config.words)
        return F.pad(judging, (BUT + 1, self.config.fillers))

    def load(self) -> Mapping[str, Split]:
        n, generator = self.config.n, torch.Generator().manual_seed(self.config.data_seed)
        sizes = {"train": n, "val": n // 4, "test": n}
        texts = {name: self._texts(size, generator) for name, size in sizes.items()}
        ratings = {name: rating(x, self.token_scores[x]) for name, x in texts.items()}
        mean, std = ratings["train"].mean(), ratings["train"].std()
        noise = {name: torch.randn(len(x), generator=generator) for name, x in texts.items()}
        return {
            name: Split(
                x, ((ratings[name] - mean) / std + self.config.noise * noise[name])[:, None]
            )
            for name, x in texts.items()
        }

    def _texts(self, n: int, generator: torch.Generator) -> Tensor:
        """``[M, L]`` tokens: texts of at least half the length, with trailing padding."""
        o = self.config
        frequencies = torch.tensor(FREQUENCIES)
        sizes = torch.tensor([1, 1, 1, o.words, o.fillers])
        sampled = (
            (frequencies / sizes)
            .repeat_interleave(sizes)
            .multinomial(n * o.length, replacement=True, generator=generator)
        )
        tokens = sampled.view(n, o.length) + NOT
        tokens[:, 0] = START
        ends = torch.randint(o.length // 2, o.length + 1, (n, 1), generator=generator)
        return torch.where(torch.arange(o.length) < ends, tokens, PAD)


def rating(tokens: Tensor, token_scores: Tensor) -> Tensor:
    """Tokens ``[M, L]`` and their scores ``[M, L] -> [M]``: the ratings, without noise."""
    previous, second_previous = (F.pad(tokens, (k, 0))[:, : tokens.shape[1]] for k in (1, 2))
    doubled = previous == VERY
    negated = (previous == NOT) | (doubled & (second_previous == NOT))
    weight = torch.where(doubled, 2.0, 1.0) * torch.where(negated, -1.0, 1.0)
    after_but = (tokens == BUT).cumsum(1) > 0
    return (token_scores * weight * torch.where(after_but, 2.0, 1.0)).sum(1)
