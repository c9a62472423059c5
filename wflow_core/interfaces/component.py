"""What every component has: validated options, what it needs, and what it offers."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError, core_schema

ProgressCallback = Callable[..., None]
"""``progress(step, total, **values)``: how long-running work reports to the hooks."""


def no_progress(step: int, total: int, **values: float) -> None:
    """The callback of work whose progress nobody follows."""


class Need(str):
    """A requirement of a component: a name that another component offers, and why it is needed.

    A need equals its name. ``Need("data", "a task with data")`` is met by ``offers = {"data"}``.
    """

    reason: str

    def __new__(cls, name: str, reason: str = "") -> Self:
        need = super().__new__(cls, name)
        need.reason = reason or name
        return need


@dataclass(frozen=True)
class ComponentSpec:
    """A component by name, with its options as plain data."""

    kind: str
    type: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, kind: str, value: Any) -> ComponentSpec:
        """From ``name`` or ``{type: name, option: value, ...}``.

        Raises:
            ValueError: it is neither.
        """
        if isinstance(value, str):
            return cls(kind, value)
        if isinstance(value, Mapping) and isinstance(value.get("type"), str):
            return cls(kind, value["type"], {k: v for k, v in value.items() if k != "type"})
        if isinstance(value, Mapping) and "type" not in value:
            raise PydanticCustomError("missing_type", "{kind}.type is missing", {"kind": kind})
        raise PydanticCustomError(
            "component_type", "Input should be the name of a component, or a mapping with a `type`"
        )


KIND_KEYWORD = "x-kind"
"""In a JSON schema of options, the kind of a component; the schema of specs defines the kinds."""


@dataclass(frozen=True)
class Slot:
    """Marks an option that holds a component: ``time: Annotated[Any, Slot("time")] = "uniform"``.

    In a spec the option is written like any component, ``{type: beta, a: 1}``; from Python it is
    given an instance. The component that owns the option is always given the instance.

    Attributes:
        optional: the option may be None.
    """

    kind: str
    optional: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        def validate(value: Any) -> Any:
            built = isinstance(value, Component | ComponentSpec)
            if built or (value is None and self.optional):
                return value
            return ComponentSpec.parse(self.kind, value)

        plain = core_schema.plain_serializer_function_ser_schema(to_plain)
        return core_schema.no_info_plain_validator_function(validate, serialization=plain)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        one = {KIND_KEYWORD: self.kind}
        return {"anyOf": [one, {"type": "null"}]} if self.optional else one


class Options(BaseModel):
    """Base of every ``Config``: unknown fields, NaN and infinities are errors.

    Attributes:
        renamed: former name of an option or section -> what to write now, for error messages.
        renamed_values: option -> former value -> the value to write now.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
        arbitrary_types_allowed=True,
    )
    renamed: ClassVar[Mapping[str, str]] = {}
    renamed_values: ClassVar[Mapping[str, Mapping[str, str]]] = {}

    @model_validator(mode="after")
    def _integers_fit(self) -> Self:
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
        needs: requirements that other components must offer, checked before anything runs; see
            :class:`Need`. An instance may refine both ``needs`` and ``offers`` by its options.
        offers: names of what the component gives others.
    """

    Config: ClassVar[type[Options]] = Options
    needs: frozenset[str] = frozenset()
    offers: frozenset[str] = frozenset()

    config: Any

    def __init__(self, **options: Any):
        self.config = self.Config(**options)

    @property
    def fingerprint(self) -> str | None:
        """A hash of what the component reads from outside the spec, such as files; None where it
        reads nothing. Another fingerprint makes another result.

        Raises:
            DataError: there is nothing to read.
        """
        return None

    def check(self, components: Any) -> None:
        """Raise before anything runs if the component cannot work with the others of a spec.

        Args:
            components: all of them, :class:`~wflow_core.interfaces.components.Components`.

        Raises:
            WflowError: with the reason, and the fix.
        """
        return

    def __repr__(self) -> str:
        options = ", ".join(f"{k}={v!r}" for k, v in self.config)
        return f"{type(self).__name__}({options})"


def to_plain(value: Any) -> Any:
    """A component or its spec as plain data, as a spec file would write it."""
    if isinstance(value, Component):
        return {"type": type(value).__name__} | value.config.model_dump(mode="json")
    if isinstance(value, ComponentSpec):
        return {"type": value.type, **value.options}
    return value
