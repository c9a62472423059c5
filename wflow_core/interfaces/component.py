"""What every component has: a validated configuration and what it needs to work."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator

Report = Callable[..., None]
"""``report(step, total, **values)``: how long work tells the hooks where it is."""


def silent(step: int, total: int, **values: float) -> None:
    """The report of work that nobody watches."""


class Options(BaseModel):
    """Base of every ``Config``: unknown fields, NaN and infinities are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="after")
    def _whole_numbers_fit(self) -> Self:
        for name, value in self:
            if isinstance(value, int) and abs(value) >= 2**63:
                raise ValueError(f"{name} is too large: {value}")
        return self


class Component(ABC):
    """Base of everything that a spec can name.

    A component is built from Python with its context first and its options by keyword, e.g.
    ``Mlp(signature, hidden=[16, 16])``; from a spec with the same options under its name.

    Attributes:
        Config: the options, a pydantic model.
        needs: what must be offered for the component to work, out of
            ``wflow_core.space.REASONS``; checked before anything runs.
        offers: what the component brings for others to need. An instance may refine both by
            its options, as ``need:option=value``.
        code: options that name code to import, ``package.module:Name`` or ``file.py:Name``
            (``wflow_core.specs.named_code``); a spec may give them only where code is allowed.
    """

    Config: ClassVar[type[Options]] = Options
    needs: frozenset[str] = frozenset()
    offers: frozenset[str] = frozenset()
    code: ClassVar[frozenset[str]] = frozenset()

    config: Any

    def __init__(self, **options: Any):
        self.config = self.Config(**options)

    def __repr__(self) -> str:
        options = ", ".join(f"{k}={v!r}" for k, v in self.config)
        return f"{type(self).__name__}({options})"
