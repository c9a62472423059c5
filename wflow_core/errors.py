"""Errors that a user can act on: each says what is wrong, what it got, where, and the fix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Self


class WflowError(Exception):
    """Any error of wflow's own. The command line prints it without a traceback and exits with 2.

    Attributes:
        option: path of the option at fault among those of its component; empty for the component.
    """

    option: tuple[str | int, ...] = ()

    def at(self, *option: str | int) -> Self:
        """This error, with the path of the option at fault."""
        self.option = option
        return self


class SpecError(WflowError):
    """A spec that cannot run. Holds every problem that was found, not only the first.

    Args:
        problems: one line each, prefixed by ``file:line:column`` where a location is known.
    """

    def __init__(self, problems: Sequence[str]):
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class PluginError(WflowError):
    """A plugin is unknown, offered twice, or fails to import."""


class SymmetryError(WflowError):
    """The description of a symmetry contradicts itself or the module that it describes."""


class SpaceError(WflowError):
    """A component needs something that the space it is put in does not offer."""


class DataError(WflowError):
    """Data, weights or a file are invalid."""


class StoreError(WflowError):
    """A run folder cannot be used: in use, of another spec, incomplete or damaged."""


class HookError(WflowError):
    """A hook raised, or implements no known hook method."""


class UnsupportedError(WflowError):
    """A component cannot do what is asked of it; says why."""


def shorten(value: object, length: int = 60) -> str:
    """A value as text, cut to a length."""
    text = str(value)
    return text if len(text) <= length else f"{text[: length - 3]}..."


def suggest(name: str, names: Iterable[str]) -> str:
    """`` (did you mean ...?)`` for a name close to an existing one, else an empty string."""
    close = get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
