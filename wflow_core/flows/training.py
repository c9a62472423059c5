"""Training a velocity: held-out loss by training run, an average of weights, early choice.

Deterministic under its generator, and resumable: all that decides the next iteration is in
``Trainer.state``. Shapes: B batch, D dimension.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from wflow_core.errors import DataError
from wflow_core.flows.averaging import AveragedNetwork
from wflow_core.flows.flow import EndLoss, Flow
from wflow_core.flows.optimizing import VelocityOptimizer
from wflow_core.flows.validation import Validation
from wflow_core.interfaces.component import Report, silent
from wflow_core.interfaces.coupling import Coupling, draw_given
from wflow_core.interfaces.velocity import Velocity
from wflow_core.space import Points
from wflow_core.specs.options import TrainOptions

Save = Callable[[dict[str, Tensor], dict[str, Any]], object]
"""Takes the named tensors and the JSON of a state, to be written to disk."""


class Trainer:
    """Fits ``velocity`` to the pairs that ``coupling`` draws from ``zoo``.

    Args:
        generator: decides the split, the pairs, the times and the noise.
        behavior: a further loss, of the networks that the flow predicts.
    """

    def __init__(
        self,
        flow: Flow,
        velocity: Velocity,
        coupling: Coupling,
        zoo: Points,
        options: TrainOptions,
        generator: torch.Generator,
        behavior: EndLoss | None = None,
    ):
        self.flow, self.velocity, self.coupling = flow, velocity, coupling
        self.options, self.generator, self.behavior = options, generator, behavior
        self.zoo, held_out = zoo.split(options.held_out, generator)
        self.held_out_runs = held_out.run.unique()
        x0, x1 = coupling.draw(self.zoo, min(len(self.zoo), 2048), generator)
        velocity.standardize(x0, x1)
        if self.zoo.given is not None:
            velocity.standardize_conditions(self.zoo.given)
        # Each part counts alike, however far training moves it.
        self.weight = 1 / velocity.displacement_scale().square()
        self.validation = Validation(flow, coupling, held_out, self.weight, generator, behavior)
        self.average = AveragedNetwork(velocity, options.ema)
        self.optimizer = VelocityOptimizer(velocity, options)
        self.iteration = 0
        self.best: dict[str, Tensor] = self.average.state()
        self.history: list[dict[str, float]] = []

    @torch.enable_grad()
    def run(self, report: Report = silent, save: Save | None = None) -> None:
        """Train from where the state is to the end; afterwards ``best`` is the chosen average."""
        o, total = self.options, self.options.iterations
        losses = torch.zeros((), device=self.weight.device)
        while self.iteration < total:
            losses = losses + self._step()
            self.iteration += 1
            if self.iteration % o.evaluate_every == 0 or self.iteration == total:
                self._evaluate(losses / (self.iteration % o.evaluate_every or o.evaluate_every))
                losses = torch.zeros_like(losses)
                report(self.iteration, total, **self.history[-1])
                if save:
                    save(*self.state())
        self.velocity.load_state_dict(self.best)

    def _step(self) -> Tensor:
        o = self.options
        x0, x1, given = draw_given(self.coupling, self.zoo, o.batch_size, self.generator)
        given = {name: self._dropped(of) for name, of in given.items()}
        t = self.flow.times.draw(o.batch_size, self.generator)
        loss = self.flow.loss(
            self._velocity, x0, x1, t, self.generator, self.weight, self.behavior, **given
        ).mean()
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.velocity.parameters(), o.clip)
        self.optimizer.step(self._rate())
        self.average.update(self.velocity, self.iteration)
        return loss.detach()

    def _dropped(self, given: Tensor) -> Tensor:
        """Records ``[B, K]``, all of a pair left out at random: what is learned without them."""
        g, drop = self.generator, self.velocity.space.conditions.drop
        out = torch.rand(len(given), 1, generator=g, device=g.device) < drop
        return given.masked_fill(out, math.nan)

    def _velocity(self, x: Tensor, t: Tensor, **condition: Tensor) -> Tensor:
        """The network in low precision if so asked; the manifold's operations never are."""
        low = torch.bfloat16 if self.options.precision == "bfloat16" else None
        with torch.autocast(x.device.type, low, enabled=low is not None):
            found: Tensor = self.velocity(x, t, **condition)
        return found.to(x.dtype)

    def _rate(self) -> float:
        """Learning rates of this iteration, as a fraction of the highest."""
        warm = min(1.0, (self.iteration + 1) / (self.options.warmup + 1))
        if self.options.schedule == "constant":
            return warm
        return warm * 0.5 * (1 + math.cos(math.pi * self.iteration / self.options.iterations))

    def _evaluate(self, loss: Tensor) -> None:
        measured = {"loss": loss.item(), **self.validation.measure(self.average.network)}
        held_out = measured["held_out_loss"]
        if not all(map(math.isfinite, measured.values())):
            raise DataError(
                f"training diverged: the loss is not finite at iteration "
                f"{self.iteration} with train.lr {self.options.lr}; lower train.lr or train.clip, "
                "or check the zoo"
            )
        if all(held_out < row["held_out_loss"] for row in self.history):
            self.best = self.average.state()
        self.history.append({"iteration": self.iteration, **measured})

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that decides the iterations to come: named tensors, and JSON."""
        tensors = {f"velocity/{k}": v for k, v in self.velocity.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.average.network.state_dict().items()}
        tensors |= {f"best/{k}": v for k, v in self.best.items()}
        tensors |= {f"optimizer/{k}": v for k, v in self.optimizer.state().items()}
        tensors["generator"] = self.generator.get_state()
        return tensors, {"iteration": self.iteration, "history": list(self.history)}

    def load_state(self, tensors: dict[str, Tensor], data: dict[str, Any]) -> None:
        """Go on from what ``state`` gave."""

        def under(name: str) -> dict[str, Tensor]:
            start = f"{name}/"
            return {k[len(start) :]: v for k, v in tensors.items() if k.startswith(start)}

        self.velocity.load_state_dict(under("velocity"))
        self.average.network.load_state_dict(under("average"))
        self.best = under("best")
        self.optimizer.load_state(under("optimizer"))
        self.generator.set_state(tensors["generator"].cpu())
        self.iteration, self.history = data["iteration"], list(data["history"])
