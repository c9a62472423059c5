"""Vision transformers and BERT: their symmetry, and that they compute what the papers say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from matching_support import copied
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from transformer_support import (
    IMAGES,
    TEXTS,
    bert,
    inputs,
    outputs,
    random_weights,
    seeded,
    transformers,
    vit,
)

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Signature
from wflow_core.networks.batched import BatchedNetworks
from wflow_core.symmetry import GroupElement, Part, Symmetry
from wflow_core.weights import WeightLayout
from wflow_plugins.architectures.bert import Bert
from wflow_plugins.architectures.bert_module import BertForScores, Layer
from wflow_plugins.architectures.vit import Block, VisionTransformer, Vit
from wflow_plugins.matching.matching import align

SOME = transformers()
each = pytest.mark.parametrize("architecture", SOME.values(), ids=SOME.keys())
N = 20


@each
def test_every_group_alone_keeps_the_function(architecture: Architecture) -> None:
    symmetry, w = architecture.symmetry, random_weights(architecture, 1).expand(N, -1)
    before = outputs(architecture, w[:1])
    whole = symmetry.random(N, seeded(1), torch.float64)
    alone = [GroupElement({g: p}) for g, p in whole.perm.items()]
    alone += [GroupElement({}, {g: s}) for g, s in whole.scale.items()]
    for element in [*alone, whole]:
        moved = symmetry.act(w, element)
        still = any(p.shape[-1] == 1 for p in element.perm.values()) and len(element.perm) == 1
        assert torch.equal(moved, w) == still
        assert (outputs(architecture, moved) - before).abs().max() < 1e-12 * (
            1 + before.abs().max()
        )


@each
def test_what_is_free(architecture: Architecture) -> None:
    groups = architecture.symmetry.groups
    layers = [name.removesuffix(".heads") for name in groups if name.endswith(".heads")]
    inner = [f"{layer}.{name}" for layer in layers for name in ("heads", "qk", "vo", "hidden")]
    last = ["pooled"] if isinstance(architecture, Bert) else []
    assert {name for name, g in groups.items() if g.permutable} == {"stream", *inner, *last}
    scaled = {name: g.scaling for name, g in groups.items() if g.scaling != "none"}
    within = {f"{layer}.{name}": "nonzero" for layer in layers for name in ("qk", "vo")}
    assert scaled == within | dict.fromkeys(last, "sign")


@each
def test_a_permuted_copy_is_found_as_one(architecture: Architecture) -> None:
    symmetry, w = architecture.symmetry, random_weights(architecture, 3)
    for normalize in (False, True):
        assert torch.equal(align(symmetry, copied(symmetry, w, 5), w, normalize=normalize), w)


@each
def test_many_networks_at_once_are_many_networks(architecture: Architecture) -> None:
    w, module = random_weights(architecture, 3), architecture.build().double()
    states = [architecture.symmetry.layout.unflatten(one) for one in w]
    single = [functional_call(module, s, (inputs(architecture),)) for s in states]
    torch.testing.assert_close(outputs(architecture, w), torch.stack(single))


def torch_layer(layer: nn.Module, names: dict[str, str], heads: int, first: bool) -> nn.Module:
    """torch's own encoder layer with the weights of one of ours."""
    own = dict(layer.named_parameters())
    width, hidden = own[names["linear1"] + ".weight"].shape[::-1]
    made = nn.TransformerEncoderLayer(
        width, heads, hidden, 0.0, functional.gelu, 1e-6, batch_first=True, norm_first=first
    )
    state = {}
    for what in ("weight", "bias"):
        fused = [own[f"{name}.{what}"] for name in names["in"].split()]
        state[f"self_attn.in_proj_{what}"] = torch.cat(fused)
        state |= {f"{k}.{what}": own[f"{v}.{what}"] for k, v in names.items() if k != "in"}
    made.load_state_dict(state)
    return made.double().train()  # evaluation takes a short cut of torch's


def randomized(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.7 * torch.randn(parameter.shape, generator=seeded(parameter.numel())))
    return module.double()


def test_a_block_is_a_normed_first_encoder_layer() -> None:
    x = torch.randn(2, 5, 12, generator=seeded(), dtype=torch.float64)
    block = randomized(Block(12, 3, 7, qkv_bias=True))
    names = {"in": "attn.qkv", "self_attn.out_proj": "attn.proj", "linear1": "mlp.fc1",
             "linear2": "mlp.fc2", "norm1": "norm1", "norm2": "norm2"}  # fmt: skip
    torch.testing.assert_close(block(x), torch_layer(block, names, 3, first=True)(x))


def test_a_layer_of_bert_is_a_normed_last_encoder_layer() -> None:
    x = torch.randn(2, 5, 12, generator=seeded(), dtype=torch.float64)
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    layer = randomized(Layer(12, 3, 7))
    qkv = " ".join(f"attention.self.{name}" for name in ("query", "key", "value"))
    names = {"in": qkv, "self_attn.out_proj": "attention.output.dense",
             "linear1": "intermediate.dense", "linear2": "output.dense",
             "norm1": "attention.output.LayerNorm", "norm2": "output.LayerNorm"}  # fmt: skip
    theirs = torch_layer(layer, names, 3, first=False)(x, src_key_padding_mask=padding)
    torch.testing.assert_close(layer(x, padding), theirs, rtol=1e-5, atol=1e-5)  # other eps


def test_padding_is_not_looked_at() -> None:
    w, x = random_weights(SOME["bert"], 2), inputs(SOME["bert"])
    short = x[2:, :-2]
    torch.testing.assert_close(
        outputs(SOME["bert"], w, x[2:]), outputs(SOME["bert"], w, short), rtol=0, atol=1e-12
    )
    assert outputs(SOME["bert"], w, torch.zeros_like(x)).isfinite().all()


def test_the_order_of_tokens_counts() -> None:
    for name in ("vit", "vit, mean", "bert"):
        w, x = random_weights(SOME[name], 1), inputs(SOME[name])[:1]
        assert (outputs(SOME[name], w, x) - outputs(SOME[name], w, x.flip(-1))).abs().max() > 1e-2


SELF = [f"attention.self.{name}" for name in ("query", "key", "value")]
LAYER = [*SELF, "attention.output.dense", "attention.output.LayerNorm", "intermediate.dense"]
LAYER += ["output.dense", "output.LayerNorm"]


def test_tensors_of_bert_are_called_as_hugging_faces() -> None:
    names = [f"bert.embeddings.{n}_embeddings" for n in ("word", "position", "token_type")]
    both = ["bert.embeddings.LayerNorm", *(f"bert.encoder.layer.0.{name}" for name in LAYER),
            "bert.pooler.dense", "classifier"]  # fmt: skip
    wanted = [f"{n}.weight" for n in names] + [f"{n}.{w}" for n in both for w in ("weight", "bias")]
    assert list(bert(layers=1).build().state_dict()) == wanted


def test_sizes_are_the_published_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.init, "normal_", lambda tensor: tensor)  # slow to import on meta
    base: dict[str, Any] = {"width": 768, "heads": 12}
    with torch.device("meta"):
        config = Bert.Config(**base, layers=12, intermediate=3072, positions=512)
        encoder = BertForScores(30522, 2, config)
        large = Vit.Config(**base, depth=12, patch=16, mlp_ratio=4)
        images = VisionTransformer(Signature((3, 224, 224), 1000), large)
    # bert-base-uncased with two outputs; vit_base_patch16_224.
    assert sum(p.numel() for p in encoder.parameters()) == 109_482_240 + 2 * 768 + 2
    assert sum(p.numel() for p in images.parameters()) == 86_567_656


@pytest.mark.parametrize("name", ["vit", "bert"])
def test_fresh_networks_are_as_the_module_draws_them(name: str) -> None:
    architecture = SOME[name]
    drawn = architecture.initialize(400, seeded())
    torch.manual_seed(0)
    built = torch.stack(
        [architecture.symmetry.layout.flatten(dict(architecture.build().named_parameters()))
         for _ in range(40)]
    ).detach()  # fmt: skip
    assert torch.equal(drawn.std(0) > 0, built.std(0) > 0)
    fixed = drawn.std(0) == 0
    assert torch.equal(drawn[0, fixed], built[0, fixed])
    assert set(drawn[0, fixed].tolist()) == {0.0, 1.0}
    assert abs(drawn[:, ~fixed].std() / 0.02 - 1) < 0.01
    assert abs(built[:, ~fixed].std() / 0.02 - 1) < 0.01
    assert architecture.initialize(1, seeded()).dtype == torch.float32


class Tied(nn.Module):
    """BERT's encoder with its words' embedding as the last layer, too."""

    def __init__(self) -> None:
        super().__init__()
        self.bert = SOME["bert"].build().bert  # type: ignore[union-attr]
        self.decoder = nn.Linear(12, 9)
        self.decoder.weight = self.bert.embeddings.word_embeddings.weight  # type: ignore[union-attr]

    def forward(self, ids: Tensor) -> Tensor:
        return self.decoder(self.bert.encoder(self.bert.embeddings(ids), ids == 0))


def test_a_tied_embedding_is_one_part() -> None:
    module, whole = Tied().double(), SOME["bert"].symmetry
    layout = WeightLayout.of_parameters(module)
    parts = [p.part for p in whole.parts if p.part.tensor in layout.by_name]
    symmetry = Symmetry(whole.groups, (*parts, Part("decoder.bias", ("vocabulary",))), layout)
    assert dict(layout.aliases) == {"decoder.weight": "bert.embeddings.word_embeddings.weight"}
    w = 0.7 * torch.randn(1, layout.size, generator=seeded(), dtype=torch.float64).expand(N, -1)
    element = symmetry.random(N, seeded(1), torch.float64)
    run, x = BatchedNetworks(module), inputs(SOME["bert"])
    torch.testing.assert_close(run(symmetry.act(w, element), x), run(w, x), rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Vit(Signature((32,), 2)), r"vit .*images .*\[32\]"),
        (lambda: vit(patch=3), r"patches of 3 x 3 divide, got inputs of shape \[2, 4, 8\]"),
        (lambda: vit(heads=5), "5 heads do not divide a width of 12"),
        (lambda: bert(heads=5), "5 heads do not divide a width of 12"),
        (lambda: Bert(IMAGES), r"bert needs token ids, got values .*\[2, 4, 8\]"),
        (lambda: Bert(TEXTS, vocabulary=8), "vocabulary is 8; this task needs at least 9"),
        (lambda: Bert(TEXTS, positions=5), "positions is 5; this task needs at least 6"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        make()
