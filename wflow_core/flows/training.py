"""Training a velocity: averaged weights, of which the best by validation are chosen.

Deterministic under its generator, and resumable: all that decides the next iteration is in
``Trainer.state``. Shapes: B batch, D dimension.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import torch
from torch import Tensor, nn

from wflow_core.errors import DataError
from wflow_core.flows.ema import EMA
from wflow_core.flows.flow import EndpointLoss, Flow
from wflow_core.flows.training_options import TrainingOptions
from wflow_core.interfaces.component import ProgressCallback, no_progress
from wflow_core.interfaces.coupling import Coupling, Pairs
from wflow_core.interfaces.optimizer import Optimizer
from wflow_core.interfaces.time import TimeSampler
from wflow_core.interfaces.velocity import Velocity
from wflow_core.space import PointSet

Save = Callable[[dict[str, Tensor], dict[str, Any]], object]
"""Takes the named tensors and the plain data of a state, to be written to disk."""
Validate = Callable[[nn.Module], dict[str, float]]
"""Measures a velocity: numbers by name, ``val_loss`` among them."""
CHECKPOINT_SECONDS = 60.0
SCALE_PAIRS = 2048
"""Pairs that scales are fitted to."""


class Trainer:
    """Fits ``velocity`` to the pairs that ``coupling`` draws from ``zoo``.

    Args:
        generator: decides the pairs, the times and the noise.
        endpoint_loss: a further loss, of the networks that the flow predicts.
    """

    def __init__(
        self,
        flow: Flow,
        velocity: Velocity,
        coupling: Coupling,
        zoo: PointSet,
        options: TrainingOptions,
        optimizer: Optimizer,
        times: TimeSampler,
        generator: torch.Generator,
        endpoint_loss: EndpointLoss | None = None,
    ):
        self.flow, self.velocity, self.coupling, self.times = flow, velocity, coupling, times
        self.options, self.generator, self.endpoint_loss = options, generator, endpoint_loss
        self.zoo = zoo
        self._fit_scales()
        # Every part counts alike, however far training moves it, but never less than the noise,
        # which a part that does not move at all would otherwise be compared with.
        least = flow.sigma if flow.predict == "x1" else 0.0
        self.weight = 1 / velocity.displacement_scale().clamp_min(least).square()
        self.average = EMA(velocity, options.ema_decay)
        self.optimizers = optimizer.build(velocity)
        self.rates = [[group["lr"] for group in of.param_groups] for of in self.optimizers]
        self.iteration, self.saved = 0, time.monotonic()
        self.best: dict[str, Tensor] = self.average.state()
        self.history: list[dict[str, float]] = []

    def _fit_scales(self) -> None:
        n = min(len(self.zoo), SCALE_PAIRS)
        pairs = Pairs.sample(self.coupling, self.zoo, n, self.generator)
        displacement = self.flow.manifold.logmap(pairs.x0, pairs.x1)
        self.velocity.fit_scales(pairs.x0, pairs.x1, displacement)
        if self.zoo.cond is not None:
            self.velocity.fit_condition_scales(self.zoo.cond)

    @torch.enable_grad()
    def run(
        self,
        validate: Validate,
        progress: ProgressCallback = no_progress,
        save: Save | None = None,
    ) -> None:
        """Train to the last iteration; afterwards the velocity has the best averaged weights.

        Args:
            validate: measures the averaged velocity; it gives ``val_loss``, and more if it likes.
        """
        o, total = self.options, self.options.iterations
        losses = torch.zeros((), device=self.weight.device)
        while self.iteration < total:
            losses = losses + self._step()
            self.iteration += 1
            if self.iteration % o.evaluate_every == 0 or self.iteration == total:
                mean = losses / (self.iteration % o.evaluate_every or o.evaluate_every)
                self._evaluate(mean, validate)
                losses = torch.zeros_like(losses)
                progress(self.iteration, total, **self.history[-1])
            if save and self._is_checkpoint():
                save(*self.state())
                self.saved = time.monotonic()
        self.velocity.load_state_dict(self.best)

    def _is_checkpoint(self) -> bool:
        """Only right after a validation, since the losses since then are in no state."""
        o, every = self.options, self.options.checkpoint_every
        late = time.monotonic() - self.saved > CHECKPOINT_SECONDS
        due = late if every is None else self.iteration % every < o.evaluate_every
        return due and self.iteration % o.evaluate_every == 0 and self.iteration < o.iterations

    def _step(self) -> Tensor:
        o = self.options
        pairs = Pairs.sample(self.coupling, self.zoo, o.batch_size, self.generator)
        condition = {name: self._drop(cond) for name, cond in pairs.condition.items()}
        t = self.times.sample(o.batch_size, self.generator)
        loss = self.flow.loss(
            self._autocast, pairs.x0, pairs.x1, t, self.generator, self.weight, self.endpoint_loss,
            **condition,
        ).mean()  # fmt: skip
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.velocity.parameters(), o.grad_clip_norm)
        factor = self._lr_factor()
        for optimizer, rates in zip(self.optimizers, self.rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            optimizer.step()
        self.average.update(self.velocity, self.iteration)
        return loss.detach()

    def _drop(self, cond: Tensor) -> Tensor:
        condition = self.velocity.space.condition
        assert condition is not None  # else the zoo would have no conditions
        return condition.drop(cond, self.generator)

    def _autocast(self, x: Tensor, t: Tensor, **condition: Tensor) -> Tensor:
        """The network, in low precision if so configured; the manifold's operations never are."""
        low = torch.bfloat16 if self.options.precision == "bfloat16" else None
        with torch.autocast(x.device.type, low, enabled=low is not None):
            v: Tensor = self.velocity(x, t, **condition)
        return v.to(x.dtype)

    def _lr_factor(self) -> float:
        """Learning rates of this iteration, as a fraction of the highest."""
        warm = min(1.0, (self.iteration + 1) / (self.options.warmup + 1))
        if self.options.schedule == "constant":
            return warm
        return warm * 0.5 * (1 + math.cos(math.pi * self.iteration / self.options.iterations))

    def _evaluate(self, loss: Tensor, validate: Validate) -> None:
        measured = {"loss": loss.item(), **validate(self.average.network)}
        if not all(map(math.isfinite, measured.values())):
            raise DataError(
                f"training diverged: the loss is not finite at iteration {self.iteration}; lower "
                "the learning rate (train.optimizer.lr) or train.grad_clip_norm, or check the zoo"
            )
        if all(measured["val_loss"] < row["val_loss"] for row in self.history):
            self.best = self.average.state()
        self.history.append({"iteration": self.iteration, **measured})

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that decides the iterations to come: tensors, and plain data."""
        stateful = {"velocity": self.velocity, "average": self.average.network}
        state: dict[str, Any] = {name: of.state_dict() for name, of in stateful.items()}
        state |= {"best": self.best, "generator": self.generator.get_state()}
        state["optimizers"] = [optimizer.state_dict() for optimizer in self.optimizers]
        torch.save(state, file := BytesIO())
        saved = torch.frombuffer(file.getbuffer(), dtype=torch.uint8)
        return {"state": saved}, {"iteration": self.iteration, "history": list(self.history)}

    def load_state(self, tensors: dict[str, Tensor], data: dict[str, Any]) -> None:
        """Resume from what ``state`` gave."""
        file = BytesIO(tensors["state"].numpy().tobytes())
        state = torch.load(file, map_location="cpu", weights_only=True)
        self.velocity.load_state_dict(state["velocity"])
        self.average.network.load_state_dict(state["average"])
        for optimizer, of in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(of)
        self.generator.set_state(state["generator"])
        self.best = {name: of.to(self.weight.device) for name, of in state["best"].items()}
        self.iteration, self.history = data["iteration"], list(data["history"])
