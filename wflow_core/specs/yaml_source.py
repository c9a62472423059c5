"""YAML with places: plain data, and where in the file each value stands.

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

Keys = tuple[str | int, ...]
# A spec has hundreds of values at most; aliases can make billions out of a few lines.
MOST_VALUES = 100_000
# Far less than what overflows the stack of a parser.
MOST_LEVELS = 64
TAGS: dict[type[Node], str] = {
    MappingNode: "tag:yaml.org,2002:map",
    SequenceNode: "tag:yaml.org,2002:seq",
}


@dataclass
class Source:
    """Plain data of a YAML file and the place of every value.

    Attributes:
        data: dictionaries, lists and scalars.
        places: path of a value -> ``file:line:column`` (or ``--set path``).
        keys: the same for the key that names it.
        problems: what is wrong with the file itself, with places.
    """

    name: str
    data: Any = None
    places: dict[Keys, str] = field(default_factory=dict)
    keys: dict[Keys, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def place(self, path: Iterable[str | int]) -> str:
        """The place of a value, or of the nearest thing that contains it."""
        path = tuple(path)
        while path not in self.places and path:
            path = path[:-1]
        return self.places.get(path, self.name)


def read_file(path: Path) -> Source:
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


def read_text(text: str, name: str) -> Source:
    """Read YAML from a string; ``name`` stands for the file in messages."""
    source = Source(name)
    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        at = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise SpecError([f"{at}: not valid YAML: {_told(error)}"]) from error
    except ReaderError as error:
        before = text[: error.position].split("\n")
        at = f"{name}:{len(before)}:{len(before[-1]) + 1}"
        raise SpecError([f"{at}: not text: character {error.character:#04x}"]) from error
    except YAMLError as error:
        raise SpecError([f"{name}: not valid YAML: {error}"]) from error
    except RecursionError as error:
        raise SpecError([f"{name}: not valid YAML: nested too deeply"]) from error
    if node is not None:
        source.data = _Builder(source, yaml).build(node, (), ())
    return source


def _told(error: MarkedYAMLError) -> str:
    """What is wrong, and where the thing began that it is wrong in."""
    said = ", ".join(part for part in (error.context, error.problem) if part)
    start = error.context_mark
    return f"{said} (it starts on line {start.line + 1})" if start else said


class _Builder:
    """Turns nodes into plain data, noting places and problems."""

    def __init__(self, source: Source, yaml: YAML):
        self.source, self.yaml, self.values = source, yaml, 0

    def build(self, node: Node, path: Keys, above: tuple[Node, ...]) -> Any:
        self.values += 1
        at = self._at(node)
        self.source.places[path] = at
        if any(node is parent for parent in above):
            return self._problem(at, "an alias contains itself; write the value out")
        if self.values > MOST_VALUES:
            raise SpecError([f"{at}: more than {MOST_VALUES} values, counting aliases"])
        if len(path) > MOST_LEVELS:
            raise SpecError([f"{at}: nested more than {MOST_LEVELS} levels deep"])
        if type(node) in TAGS and node.tag != TAGS[type(node)]:
            return self._problem(at, f"tag {node.tag!r} means nothing here; leave it out")
        if isinstance(node, MappingNode):
            return self._mapping(node, path, (*above, node))
        if isinstance(node, SequenceNode):
            return [self.build(n, (*path, i), (*above, node)) for i, n in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return self._scalar(node, at)

    def _mapping(self, node: MappingNode, path: Keys, above: tuple[Node, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, str] = {}
        for key_node, value_node in node.value:
            at, key = self._at(key_node), self._key(key_node)
            if key is None:
                continue
            if key in found:
                self._problem(at, f"key {key!r} is given twice, first at {first[key]}")
                continue
            first[key] = self.source.keys[(*path, key)] = at
            found[key] = self.build(value_node, (*path, key), above)
            if value_node.start_mark.index == value_node.end_mark.index:
                # The place of nothing would be that of what follows it.
                self.source.places[(*path, key)] = at
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
        if self.source.name.startswith("--set"):
            return self.source.name
        return f"{self.source.name}:{mark.line + 1}:{mark.column + 1}"

    def _problem(self, at: str, text: str) -> None:
        self.source.problems.append(f"{at}: {text}")


def dump(data: Mapping[str, Any]) -> str:
    """Plain data as YAML."""
    stream = StringIO()
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 100
    yaml.dump(data, stream)
    return stream.getvalue()
