from __future__ import annotations

import pytest
import torch
from torch.func import functional_call

from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.tasks.breast_cancer import BreastCancer
from wflow_plugins.zoos.train import Train

TASK = BreastCancer()
MLP = Mlp(TASK.signature, hidden=[5, 4])


def zoo(**options: object) -> Train:
    return Train(TASK, MLP, **({"networks": 6, "epochs": 2} | options))


def collect(source: Train, seed: int = 0):
    return source.collect(torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3)),
        ("adam", lambda p: torch.optim.Adam(p, lr=0.05, weight_decay=1e-3)),
        ("adamw", lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=1e-3)),
    ],
)
def test_the_batched_program_is_training_one_by_one(name: str, make: object) -> None:
    source = zoo(optimizer={"type": name, "lr": 0.05, "weight_decay": 1e-3}, batch_size=100)
    found = collect(source)
    generator = torch.Generator().manual_seed(0)
    MLP.initialize(6, generator)
    batches = list(source._batches(TASK.splits["train"], 6, generator))
    for network in range(2):
        state = MLP.batched.layout.unflatten(found.initial[network].clone())
        parameters = {k: v.clone().requires_grad_() for k, v in state.items()}
        optimizer = make(list(parameters.values()))
        for batch in batches:
            optimizer.zero_grad()
            outputs = functional_call(MLP.template, parameters, (batch.x,))
            torch.nn.functional.cross_entropy(outputs, batch.y).backward()
            optimizer.step()
        alone = MLP.batched.layout.flatten({k: v.detach() for k, v in parameters.items()})
        torch.testing.assert_close(found.weights[network], alone, atol=1e-4, rtol=1e-3)


def test_training_keeps_initialisations_and_improves_on_them() -> None:
    found = collect(zoo(epochs=20))
    test = TASK.splits["test"]
    before, after = (
        TASK.objective.score(MLP.batched(w, test.x), test.y)["loss"]
        for w in (found.initial, found.weights)
    )
    assert (after < before / 2).all()
    assert torch.equal(found.initial, MLP.initialize(6, torch.Generator().manual_seed(0)))


def test_snapshots_of_a_run_share_it_and_its_start() -> None:
    found = collect(zoo(epochs=3, batch_size=100, snapshots={"every": 2, "discard_epochs": 1}))
    # Four steps an epoch: snapshots at 6, 8, 10, 12 of 12.
    assert found.step.unique().tolist() == [6, 8, 10, 12]
    assert found.run.bincount().tolist() == [4] * 6
    assert torch.equal(found.initial[:6], found.initial[6:12])
    assert not torch.equal(found.weights[:6], found.weights[6:12])


def test_own_batches_differ_between_networks_and_shared_ones_do_not() -> None:
    generator = torch.Generator().manual_seed(0)
    own = next(zoo(shared_batches=False)._batches(TASK.splits["train"], 6, generator))
    assert own.x.shape == (6, 32, 30)
    assert not torch.equal(own.x[0], own.x[1])
    found = collect(zoo(shared_batches=False))
    assert found.weights.isfinite().all()


def test_the_seed_decides_everything() -> None:
    assert torch.equal(collect(zoo()).weights, collect(zoo()).weights)
    assert not torch.equal(collect(zoo()).weights, collect(zoo(), seed=1).weights)


def test_splits_are_stratified_disjoint_and_standardised_on_training_rows() -> None:
    splits = TASK.splits
    assert [len(splits[s]) for s in ("train", "val", "test")] == [364, 91, 114]
    shares = [s.y.float().mean().item() for s in splits.values()]
    assert max(shares) - min(shares) < 0.01
    assert splits["train"].x.mean(0).abs().max() < 1e-5
    assert splits["train"].x.std(0, correction=0).sub(1).abs().max() < 1e-5
    assert splits["test"].x.mean(0).abs().max() > 0.05
    rows = torch.cat([s.x for s in splits.values()])
    assert len(rows.unique(dim=0)) == 569


def test_batches_cover_a_split_once(generator: torch.Generator) -> None:
    found = torch.cat([b.y for b in TASK.batches("val", 20, generator)])
    assert found.sum() == TASK.splits["val"].y.sum()
    assert not torch.equal(found, TASK.splits["val"].y)
    plain = torch.cat([b.y for b in TASK.batches("val", 20)])
    assert torch.equal(plain, TASK.splits["val"].y)


def test_initialiser_is_that_of_the_module_and_its_density_is_right() -> None:
    g = torch.Generator().manual_seed(0)
    drawn = MLP.initialize(4000, g)
    torch.manual_seed(0)
    built = torch.stack(
        [MLP.batched.layout.flatten(dict(MLP.build().named_parameters())) for _ in range(2000)]
    ).detach()
    torch.testing.assert_close(drawn.std(0), built.std(0), rtol=0.15, atol=0)
    bound = drawn.abs().amax(0)
    assert (built.abs() <= bound * 1.01).all()
    density = MLP.initial_log_prob(drawn[:3])
    torch.testing.assert_close(density, -(2 * bound).log().sum().expand(3), rtol=1e-2, atol=0.5)
    assert MLP.initial_log_prob(drawn[:1] + 1).item() == -torch.inf
