"""What every contract shares."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest

from wflow_core.errors import SpaceError, UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component, Need
from wflow_core.space import Space
from wflow_core.specs.resolve import held
from wflow_core.testing.fixtures import ALL_NEEDS
from wflow_core.testing.worlds import SMALL, World


class Contract:
    """Subclass the contract of your kind, and set these.

    Each test of a kind is tried in several worlds: networks of every form, points behind a codec,
    conditions. Those that lack what the component needs are left out, and those that its
    constructor refuses with a reason are skipped, except for the first.

    Attributes:
        component: the class under test.
        options: options to build it with, where its defaults will not do.
        worlds: where it is tried.
    """

    component: ClassVar[type[Any]]
    options: ClassVar[dict[str, Any]] = {}
    worlds: ClassVar[tuple[World, ...]] = (SMALL,)
    _world: World = SMALL

    def context(self) -> tuple[Any, ...]:
        """What the kind's constructor takes before the options; override for one's own."""
        return ()

    def network(self, width: int = 1) -> Architecture:
        """The architecture of the networks, with ``width`` times as many units; override where
        those of the worlds will not do."""
        return self._world.network(width)

    def space(self) -> Space:
        """The space that networks are points of."""
        return self._world.space(self.network())

    def make(self) -> Any:
        """The component under test."""
        try:
            return self.component(*self.context(), **self.options)
        except (UnsupportedError, SpaceError) as refused:
            if self._world == self.tried_in()[0] or not str(refused):
                raise
            pytest.skip(f"refused: {refused}")

    @classmethod
    def tried_in(cls) -> list[World]:
        """The worlds that offer what the component needs."""
        return [world for world in cls.worlds if world.fits(cls.component)]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each test in each world; what is the same for all kinds in one."""
        worlds = self.tried_in()
        if metafunc.function.__name__ not in vars(Contract) and len(worlds) > 1:
            metafunc.parametrize("world", worlds, indirect=True, ids=str)

    @pytest.fixture(autouse=True)
    def world(self, request: pytest.FixtureRequest) -> World:
        """The world of a test."""
        self._world = getattr(request, "param", self.tried_in()[0])
        return self._world

    def test_options_survive_the_spec(self) -> None:
        config = self.make().config
        text = json.dumps(config.model_dump(mode="json"))
        again = self.component.Config.model_validate_json(text, strict=True)
        assert again.model_dump(mode="json") == json.loads(text)
        assert again == config or list(held(again))  # of components, a spec has only names

    def test_every_option_is_named_in_an_error_when_misspelt(self) -> None:
        try:
            self.component.Config(**self.options, no_such_option=1)
        except ValueError as error:
            assert "no_such_option" in str(error)
        else:
            raise AssertionError("Config must forbid unknown options")

    def test_needs_are_known_or_have_a_reason(self) -> None:
        for needs in (self.component.needs, self.make().needs):
            assert isinstance(needs, frozenset)
            assert all(of in ALL_NEEDS or isinstance(of, Need) for of in needs)

    def test_it_is_documented(self) -> None:
        assert issubclass(self.component, Component)
        assert self.component.__doc__
