"""YAML with locations: plain data, and where in the file each value stands.

YAML 1.2; duplicate keys, unknown tags and alias cycles are errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from wflow_core.errors import SpecError
from wflow_core.interfaces.components import KeyPath

# A spec has hundreds of values at most; aliases can make billions out of a few lines.
MAX_VALUES = 100_000
# Far less than what overflows the stack of a parser.
MAX_LEVELS = 64
TAGS: dict[type[Node], str] = {
    MappingNode: "tag:yaml.org,2002:map",
    SequenceNode: "tag:yaml.org,2002:seq",
}


@dataclass
class LocatedYaml:
    """Plain data of a YAML file and the location of every value.

    Attributes:
        data: dictionaries, lists and scalars.
        locations: path of a value -> ``file:line:column`` (or ``--set path``).
        keys: the same for the key that names it.
        problems: what is wrong with the file itself, with locations.
    """

    name: str
    data: Any = None
    locations: dict[KeyPath, str] = field(default_factory=dict)
    keys: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def location(self, path: Iterable[str | int]) -> str:
        """The location of a value, or of the nearest thing that contains it."""
        path = tuple(path)
        while path not in self.locations and path:
            path = path[:-1]
        return self.locations.get(path, self.name)


def read_file(path: Path) -> LocatedYaml:
    """Read a YAML file.

    Raises:
        SpecError: it cannot be read, or is not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise SpecError([f"{path}: is not text in UTF-8 (byte {error.start})"]) from error
    return read_text(text, str(path))


def read_text(text: str, name: str) -> LocatedYaml:
    """Read YAML from a string; ``name`` stands for the file in messages."""
    located = LocatedYaml(name)
    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        at = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise SpecError([f"{at}: not valid YAML: {_message(error)}"]) from error
    except ReaderError as error:
        before = text[: error.position].split("\n")
        at = f"{name}:{len(before)}:{len(before[-1]) + 1}"
        raise SpecError([f"{at}: not text: character {error.character:#04x}"]) from error
    except YAMLError as error:
        raise SpecError([f"{name}: not valid YAML: {error}"]) from error
    except RecursionError as error:
        raise SpecError([f"{name}: not valid YAML: nested too deeply"]) from error
    if node is not None:
        located.data = _Builder(located, yaml).build(node, (), ())
    return located


def _message(error: MarkedYAMLError) -> str:
    """What is wrong, and where the thing began that it is wrong in."""
    said = ", ".join(part for part in (error.context, error.problem) if part)
    start = error.context_mark
    return f"{said} (it starts on line {start.line + 1})" if start else said


class _Builder:
    """Turns nodes into plain data, noting locations and problems."""

    def __init__(self, located: LocatedYaml, yaml: YAML):
        self.located, self.yaml, self.values = located, yaml, 0

    def build(self, node: Node, path: KeyPath, above: tuple[Node, ...]) -> Any:
        self.values += 1
        at = self._at(node)
        self.located.locations[path] = at
        if any(node is parent for parent in above):
            return self._problem(at, "an alias contains itself; write the value out")
        if self.values > MAX_VALUES:
            raise SpecError([f"{at}: more than {MAX_VALUES} values, counting aliases"])
        if len(path) > MAX_LEVELS:
            raise SpecError([f"{at}: nested more than {MAX_LEVELS} levels deep"])
        if type(node) in TAGS and node.tag != TAGS[type(node)]:
            return self._problem(at, f"tag {node.tag!r} means nothing here; leave it out")
        if isinstance(node, MappingNode):
            return self._mapping(node, path, (*above, node))
        if isinstance(node, SequenceNode):
            return [self.build(n, (*path, i), (*above, node)) for i, n in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return self._scalar(node, at)

    def _mapping(self, node: MappingNode, path: KeyPath, above: tuple[Node, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, str] = {}
        for key_node, value_node in node.value:
            at, key = self._at(key_node), self._key(key_node)
            if key is None:
                continue
            if key in found:
                self._problem(at, f"key {key!r} is given twice, first at {first[key]}")
                continue
            first[key] = self.located.keys[(*path, key)] = at
            found[key] = self.build(value_node, (*path, key), above)
            if value_node.start_mark.index == value_node.end_mark.index:
                # The location of nothing would be that of what follows it.
                self.located.locations[(*path, key)] = at
        return found

    def _key(self, node: Node) -> str | None:
        """The key's name; None, and a problem, where it is none."""
        if isinstance(node, ScalarNode) and node.value != "<<" and node.value.isprintable():
            return str(node.value)
        self._problem(self._at(node), "keys must be plain names")
        return None

    def _scalar(self, node: ScalarNode, at: str) -> Any:
        try:
            value = self.yaml.constructor.construct_object(node)
            str(value).encode()  # refuses numbers of thousands of digits, and half characters
        except Exception as error:  # by the tag, anything: ruamel.yaml lets KeyError through
            problem, tag = getattr(error, "problem", None) or error, str(node.tag)
            return self._problem(at, f"cannot be read as {tag.rpartition(':')[2]}: {problem}")
        if value is None or isinstance(value, bool | int | float | str):
            return value
        # Dates and bytes mean nothing in a spec; what was written is what was meant.
        return str(node.value)

    def _at(self, node: Node) -> str:
        mark = node.start_mark
        if self.located.name.startswith("--set"):
            return self.located.name
        return f"{self.located.name}:{mark.line + 1}:{mark.column + 1}"

    def _problem(self, at: str, text: str) -> None:
        self.located.problems.append(f"{at}: {text}")


def dump(data: Mapping[str, Any]) -> str:
    """Plain data as YAML."""
    stream = StringIO()
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 100
    yaml.dump(data, stream)
    return stream.getvalue()
