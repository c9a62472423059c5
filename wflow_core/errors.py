"""Errors that a user can act on: each says what, what it got, where it came from, and the fix."""

from __future__ import annotations

from collections.abc import Sequence


class WflowError(Exception):
    """Any error of wflow's own. The command line prints it without a traceback and exits with 2."""


class SpecError(WflowError):
    """A spec that cannot run. Holds every problem that was found, not only the first.

    Args:
        problems: one line each, already prefixed by ``file:line:column`` where a place is known.
    """

    def __init__(self, problems: Sequence[str]):
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class PluginError(WflowError):
    """A plugin is unknown, offered twice, or fails to import."""


class SymmetryError(WflowError):
    """A description of a symmetry contradicts itself or the module that it describes."""


class SpaceError(WflowError):
    """A component needs something that the space it is put in does not offer."""


class DataError(WflowError):
    """Data, weights or a file is not what it should be."""


class StoreError(WflowError):
    """A run folder cannot be used: in use, of another spec, incomplete or damaged."""


class UnsupportedError(WflowError):
    """A component cannot do what is asked of it, and says why."""


class HookError(WflowError):
    """A hook raised. Names the hook, so that the reader knows whom to ask."""
