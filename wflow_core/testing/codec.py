"""The contract of codecs."""

from __future__ import annotations

from typing import Any

import torch

from wflow_core.testing.contract import Contract
from wflow_core.testing.world import small_network, small_zoo


class CodecContract(Contract):
    """Coordinates have the stated dimension, decode to weights, and survive being stored."""

    def context(self) -> tuple[Any, ...]:
        return (small_network(),)

    def fitted(self) -> Any:
        """The codec, fitted to the small zoo."""
        codec = self.make()
        codec.fit(small_zoo())
        return codec

    def test_shapes(self) -> None:
        codec, w = self.fitted(), small_zoo().weights
        z = codec.encode(w)
        assert z.shape == (len(w), codec.dim)
        assert codec.decode(z).shape == w.shape

    def test_what_is_decoded_encodes_to_itself(self) -> None:
        codec = self.fitted()
        z = codec.encode(small_zoo().weights)
        torch.testing.assert_close(codec.encode(codec.decode(z)), z, atol=1e-4, rtol=1e-4)

    def test_decoding_is_differentiable(self) -> None:
        codec = self.fitted()
        z = codec.encode(small_zoo().weights).requires_grad_()
        codec.decode(z).square().sum().backward()
        assert z.grad is not None
        assert z.grad.abs().sum() > 0

    def test_a_stored_codec_is_the_same(self) -> None:
        codec, again, w = self.fitted(), self.make(), small_zoo().weights
        again.load_state(codec.state())
        assert torch.equal(again.encode(w), codec.encode(w))
