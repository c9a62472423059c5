"""The contract of codecs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import small_zoo
from wflow_core.testing.worlds import FLOAT64, NETWORKS
from wflow_core.weights import WeightSet


class CodecContract(Contract):
    """Coordinates have the stated dimension, decode to weights, and survive being stored."""

    worlds = (*NETWORKS, FLOAT64)

    def context(self) -> tuple[Any, ...]:
        return (self.network(),)

    def zoo(self) -> WeightSet:
        """The networks that the codec is fitted to."""
        zoo = small_zoo(network=self.network())
        return replace(zoo, weights=zoo.weights.to(self._world.dtype))

    def fitted(self) -> Any:
        """The codec, fitted to the zoo."""
        codec = self.make()
        codec.fit(self.zoo())
        return codec

    def test_shapes(self) -> None:
        codec, w = self.fitted(), self.zoo().weights
        z = codec.encode(w)
        assert z.shape == (len(w), codec.dim)
        assert codec.decode(z).shape == w.shape

    def test_what_is_decoded_encodes_to_itself(self) -> None:
        codec = self.fitted()
        z = codec.encode(self.zoo().weights)
        torch.testing.assert_close(codec.encode(codec.decode(z)), z, atol=1e-4, rtol=1e-4)

    def test_decoding_is_differentiable(self) -> None:
        codec = self.fitted()
        z = codec.encode(self.zoo().weights).requires_grad_()
        codec.decode(z).square().sum().backward()
        assert z.grad is not None
        assert z.grad.abs().sum() > 0

    def test_a_stored_codec_is_the_same(self) -> None:
        codec, again, w = self.fitted(), self.make(), self.zoo().weights
        again.load_state(codec.state())
        assert again.dim == codec.dim
        assert torch.equal(again.encode(w), codec.encode(w))
