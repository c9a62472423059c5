"""Reviews in a made-up language, and how good they say it was.

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
SHARES = (0.15, 0.15, 0.05, 0.45, 0.2)
"""How often "not", "very", "but", any judging word and any filler come."""


class Sentiment(Task):
    """The rating of a text, from its tokens; it depends on their order.

    Tokens are 0 for padding behind the text, 1 for its start, 2 "not", 3 "very", 4 "but", then
    judging words, from the worst (-1) to the best (1), then words that mean nothing. "very" doubles
    the word behind it, "not" turns round what is behind it ("not good", "not very good"), and what
    comes after the first "but" counts twice. A rating is their sum, standardised by those of
    `train`, with Gaussian noise; a network that knew the rule would have an r2 of
    ``1 / (1 + noise^2)`` and a loss of ``log(noise) + 1.42`` nats.

    The size of the vocabulary is in the signature: networks embed ``signature.vocabulary`` tokens.
    There are as many texts for testing as for training, and a quarter as many for validation; they
    are drawn independently, so that a short text may be in two splits, with another noise.
    """

    class Config(Options):
        n: int = Field(4000, ge=16, description="training texts")
        length: int = Field(
            8, ge=4, description="tokens of the longest texts, their start among them"
        )
        words: int = Field(8, ge=2, description="judging words of the vocabulary")
        fillers: int = Field(4, ge=1, description="words of the vocabulary that mean nothing")
        noise: float = Field(
            0.3, gt=0, description="standard deviation of the noise, in those of the ratings"
        )
        data_seed: int = Field(
            0, ge=0, description="seed of the data; not the run's, to compare seeds"
        )

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.objective = RankedRegression(self.config.noise)

    @property
    def signature(self) -> Signature:
        return Signature((self.config.length,), 1, vocabulary=len(self.meanings))

    @property
    def meanings(self) -> Tensor:
        """``[V]``: what each token of the vocabulary says by itself, from -1 to 1."""
        judging = torch.linspace(-1, 1, self.config.words)
        return F.pad(judging, (BUT + 1, self.config.fillers))

    def load(self) -> Mapping[str, Split]:
        n, generator = self.config.n, torch.Generator().manual_seed(self.config.data_seed)
        sizes = {"train": n, "val": n // 4, "test": n}
        texts = {name: self._texts(size, generator) for name, size in sizes.items()}
        ratings = {name: rating(x, self.meanings[x]) for name, x in texts.items()}
        mean, std = ratings["train"].mean(), ratings["train"].std()
        noise = {name: torch.randn(len(x), generator=generator) for name, x in texts.items()}
        return {
            name: Split(
                x, ((ratings[name] - mean) / std + self.config.noise * noise[name])[:, None]
            )
            for name, x in texts.items()
        }

    def _texts(self, n: int, generator: torch.Generator) -> Tensor:
        """``[M, L]`` tokens: texts of half the length at least, padded behind."""
        o = self.config
        shares = torch.tensor(SHARES)
        sizes = torch.tensor([1, 1, 1, o.words, o.fillers])
        drawn = (
            (shares / sizes)
            .repeat_interleave(sizes)
            .multinomial(n * o.length, replacement=True, generator=generator)
        )
        tokens = drawn.view(n, o.length) + NOT
        tokens[:, 0] = START
        ends = torch.randint(o.length // 2, o.length + 1, (n, 1), generator=generator)
        return torch.where(torch.arange(o.length) < ends, tokens, PAD)


def rating(tokens: Tensor, meanings: Tensor) -> Tensor:
    """Tokens ``[M, L]`` and what each says by itself ``-> [M]``, what they say together."""
    before, second = (F.pad(tokens, (k, 0))[:, : tokens.shape[1]] for k in (1, 2))
    doubled = before == VERY
    turned = (before == NOT) | (doubled & (second == NOT))
    weight = torch.where(doubled, 2.0, 1.0) * torch.where(turned, -1.0, 1.0)
    later = (tokens == BUT).cumsum(1) > 0
    return (meanings * weight * torch.where(later, 2.0, 1.0)).sum(1)
