"""BERT as a torch module, with tensor names as in Hugging Face's package transformers.

Written from the paper, without dropout. Shapes: B batch, L tokens, S width of the stream.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from wflow_plugins.architectures.attention import multi_head_attention

EPS = 1e-12
PADDING = 0


class Embeddings(nn.Module):
    """Token ids ``[B, L] -> [B, L, S]``, all tokens in the first of two segments."""

    def __init__(self, vocabulary: int, positions: int, width: int):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, width, padding_idx=PADDING)
        self.position_embeddings = nn.Embedding(positions, width)
        self.token_type_embeddings = nn.Embedding(2, width)
        self.LayerNorm = nn.LayerNorm(width, eps=EPS)

    def forward(self, ids: Tensor) -> Tensor:
        position = torch.arange(ids.shape[1], device=ids.device)
        words: Tensor = self.word_embeddings(ids)
        segment = self.token_type_embeddings(torch.zeros_like(position))
        normed: Tensor = self.LayerNorm(words + self.position_embeddings(position) + segment)
        return normed


class SelfAttention(nn.Module):
    """``[B, L, S] -> [B, L, S]``, without the output layer that mixes the heads."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        return multi_head_attention(self.query(x), self.key(x), self.value(x), self.heads, padding)


class Output(nn.Module):
    """A linear layer whose output is added to the stream, then LayerNorm."""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.dense = nn.Linear(inputs, width)
        self.LayerNorm = nn.LayerNorm(width, eps=EPS)

    def forward(self, x: Tensor, stream: Tensor) -> Tensor:
        normed: Tensor = self.LayerNorm(self.dense(x) + stream)
        return normed


class Attention(nn.Module):
    """Attention and its output layer."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.self = SelfAttention(width, heads)
        self.output = Output(width, width)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        normed: Tensor = self.output(self.self(x, padding), x)
        return normed


class Dense(nn.Module):
    """A linear layer named ``dense``."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.dense(x)
        return outputs


class Layer(nn.Module):
    """Attention, then a hidden layer with GELU."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.attention = Attention(width, heads)
        self.intermediate = Dense(width, hidden)
        self.output = Output(hidden, width)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        x = self.attention(x, padding)
        normed: Tensor = self.output(functional.gelu(self.intermediate(x)), x)
        return normed


class Encoder(nn.Module):
    """All layers."""

    def __init__(self, layers: int, width: int, heads: int, hidden: int):
        super().__init__()
        self.layer = nn.ModuleList(Layer(width, heads, hidden) for _ in range(layers))

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        for layer in self.layer:
            x = layer(x, padding)
        return x


class BertModel(nn.Module):
    """Token ids ``[B, L] -> [B, S]``: the pooler's output at the first token."""

    def __init__(self, vocabulary: int, config: Any):
        super().__init__()
        c = config
        self.embeddings = Embeddings(vocabulary, c.positions, c.width)
        self.encoder = Encoder(c.layers, c.width, c.heads, c.intermediate)
        self.pooler = Dense(c.width, c.width)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.encoder(self.embeddings(ids), ids == PADDING)
        pooled: Tensor = self.pooler(x[:, 0]).tanh()
        return pooled


class BertForScores(nn.Module):
    """Token ids ``[B, L] -> [B, outputs]``: class scores or values."""

    def __init__(self, vocabulary: int, outputs: int, config: Any):
        super().__init__()
        self.bert = BertModel(vocabulary, config)
        self.classifier = nn.Linear(config.width, outputs)

    def forward(self, ids: Tensor) -> Tensor:
        scores: Tensor = self.classifier(self.bert(ids))
        return scores
