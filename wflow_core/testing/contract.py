"""What every contract shares."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from wflow_core.interfaces.component import Component


class Contract:
    """Subclass the contract of your kind, and set these.

    Attributes:
        component: the class under test.
        options: options to build it with, where its defaults will not do.
    """

    component: ClassVar[type[Any]]
    options: ClassVar[dict[str, Any]] = {}

    def context(self) -> tuple[Any, ...]:
        """What the kind's constructor takes before the options; override for one's own."""
        return ()

    def make(self) -> Any:
        """The component under test."""
        return self.component(*self.context(), **self.options)

    def test_options_survive_the_spec(self) -> None:
        config = self.make().config
        text = json.dumps(config.model_dump(mode="json"))
        assert self.component.Config.model_validate_json(text, strict=True) == config

    def test_every_option_is_named_in_an_error_when_misspelt(self) -> None:
        try:
            self.component.Config(**self.options, no_such_option=1)
        except ValueError as error:
            assert "no_such_option" in str(error)
        else:
            raise AssertionError("Config must forbid unknown options")

    def test_needs_are_known(self) -> None:
        assert isinstance(self.component.needs, frozenset)
        assert all(isinstance(need, str) for need in self.component.needs)

    def test_it_is_documented(self) -> None:
        assert issubclass(self.component, Component)
        assert self.component.__doc__
