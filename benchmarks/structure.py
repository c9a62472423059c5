"""The structure of the core in figures: size, layers of packages, what one run enters, lengths.

    python benchmarks/structure.py [--root PATH] [--json FILE]

Lines of code hold more than a comment or a docstring. Entered are functions that one small
`wflow run` calls, without lambdas, comprehensions and what importing calls; the files that hold
them; and the classes defined by then. Functions are measured without docstring. Layers are the
packages on the longest path of imports, with imports inside functions, not those for type checkers.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import io
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from statistics import median, quantiles
from tokenize import generate_tokens, tok_name
from traceback import walk_stack
from types import FrameType

CORE, PLUGINS, TESTING = "wflow_core", "wflow_plugins", "testing"
Figures = dict[str, dict[str, float]]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NO_CODE = ("COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT", "ENDMARKER")
CHECKING = ("TYPE_CHECKING", "typing.TYPE_CHECKING")
SPEC = """{name: tiny, seed: 0, task: breast_cancer, architecture: {type: mlp, hidden: [4]},
zoo: {type: train, networks: 24, epochs: 2}, prior: initializer, coupling: trajectory,
velocity: {type: neuron_transformer, width: 16, layers: 1, heads: 2},
train: {iterations: 30, evaluate_every: 10, batch_size: 8}, solver: {type: euler, steps: 4},
sample: {networks: 8}, metrics: [task_score, model_average, novelty], hooks: [log]}"""


def sources(folder: Path) -> dict[Path, str]:
    return {f.relative_to(folder): f.read_text("utf-8") for f in sorted(folder.rglob("*.py"))}


def docstring(node: ast.AST) -> range:
    """The lines of its docstring."""
    if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)) and ast.get_docstring(node, False):
        return range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    return range(0)


def code_lines(text: str) -> int:
    tokens = generate_tokens(io.StringIO(text).readline)
    spans = (range(t.start[0], t.end[0] + 1) for t in tokens if tok_name[t.type] not in NO_CODE)
    documented = (docstring(node) for node in ast.walk(ast.parse(text)))
    return len({n for span in spans for n in span}.difference(*documented))


def lines(core: Path) -> Figures:
    sizes: dict[str, list[int]] = {}
    for file, text in sources(core).items():
        sizes.setdefault(file.parts[0].removesuffix(".py"), []).append(code_lines(text))
    sizes["without testing"] = [n for package in sizes.keys() - {TESTING} for n in sizes[package]]
    sizes["total"] = sizes["without testing"] + sizes.get(TESTING, [])
    return {name: {"files": len(of), "lines": sum(of)} for name, of in sizes.items()}


def imported(node: ast.AST) -> Iterator[str]:
    """Dotted names of what code imports when it runs; the project has no relative imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    skipped = node.body if isinstance(node, ast.If) and ast.unparse(node.test) in CHECKING else []
    rest = (child for child in ast.iter_child_nodes(node) if child not in skipped)
    yield from (name for child in rest for name in imported(child))


def graph(core: Path) -> dict[str, set[str]]:
    """The packages that each package imports."""
    edges: dict[str, set[str]] = {}
    for file, text in sources(core).items():
        heads = {n.split(".")[1] for n in imported(ast.parse(text)) if n.startswith(f"{CORE}.")}
        edges.setdefault(file.parts[0].removesuffix(".py"), set()).update(heads)
    nodes = edges.keys() - {"__init__", TESTING}
    return {node: edges[node] & nodes - {node} for node in sorted(nodes)}


def layers(edges: dict[str, set[str]]) -> tuple[tuple[str, ...], list[list[str]]]:
    """The longest path of imports, and the packages that import one another."""
    reached = edges
    for _ in edges:
        reached = {n: of.union(*(reached[m] for m in of)) for n, of in reached.items()}

    @cache
    def longest(name: str, seen: frozenset[str]) -> tuple[str, ...]:
        # Nothing imports back into a cycle from below it: only its own packages could come twice.
        further = {m: seen if name in reached[m] else frozenset() for m in edges[name] - seen}
        paths = [longest(m, further[m] | {m}) for m in sorted(further)]
        return (name, *max(paths, key=len, default=()))

    cycles = {frozenset(m for m in of if n in reached[m]) for n, of in reached.items() if n in of}
    path = max((longest(name, frozenset({name})) for name in edges), key=len)
    return path, sorted(sorted(c) for c in cycles)


def offer_plugins(root: Path, folder: Path) -> None:
    """Metadata of the checkout's distribution, to go before those of an installed one."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    with (info / "entry_points.txt").open("w") as file:
        for group, offered in project["entry-points"].items():
            print(f"[{group}]", *(f"{n} = {of}" for n, of in offered.items()), sep="\n", file=file)


def run(root: Path) -> set[tuple[str, str, int, bool]]:
    """File, name, line of what one small run enters, and whether it is the body of a class."""
    ours = tuple(f"{root / name}{os.sep}" for name in (CORE, PLUGINS))
    found: set[tuple[str, str, int, bool]] = set()

    def note(frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(ours) and code.co_name[0] != "<":
            body = not code.co_flags & inspect.CO_OPTIMIZED
            key = (code.co_filename, code.co_qualname, code.co_firstlineno, body)
            callers = (f.f_code for f, _ in walk_stack(frame) if f.f_code.co_name == "<module>")
            if body or not (key in found or any(c.co_filename.startswith(ours) for c in callers)):
                found.add(key)

    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        offer_plugins(root, Path(folder))
        Path(folder, "spec.yaml").write_text(SPEC)
        sys.path[:0] = [folder, str(root)]
        threading.setprofile(note)
        sys.setprofile(note)
        from wflow_core.cli.main import main as wflow

        wflow(["run", f"{folder}/spec.yaml", "--out", f"{folder}/out"], standalone_mode=False)
        sys.setprofile(None)
    return found


def entered(root: Path) -> Figures:
    """By the run, in a process that does nothing else."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        seen = pool.submit(run, root).result()
    figures: Figures = {}
    for name in (CORE, PLUGINS):
        ours = [(file, body) for file, *_, body in seen if Path(file).is_relative_to(root / name)]
        functions = [file for file, body in ours if not body]
        figures[name] = {"files": len({*functions}), "functions": len(functions)}
        figures[name]["classes"] = len(ours) - len(functions)
    return figures


def lengths(folder: Path) -> Figures:
    texts = sources(folder).values()
    nodes = [n for text in texts for n in ast.walk(ast.parse(text)) if isinstance(n, FUNCTIONS)]
    functions = [(n.end_lineno or 0) + 1 - n.lineno - len(docstring(n)) for n in nodes]
    found: Figures = {}
    for what, of in {"functions": functions, "files": [t.count("\n") for t in texts]}.items():
        spread = {"median": median(of), "90 %": quantiles(of, n=10)[8], "maximum": max(of)}
        found[f"{folder.name} {what}"] = {"count": len(of), **spread}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="Checkout.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    root = options.root.resolve()
    found = {
        "lines of code": lines(root / CORE),
        "entered by one run": entered(root),
        "lengths in lines": lengths(root / CORE) | lengths(root / PLUGINS),
    }
    for title, rows in found.items():
        print(f"\n{title:26}" + "".join(f"{column:>11}" for column in next(iter(rows.values()))))
        for name, row in rows.items():
            print(f"  {name:24}" + "".join(f"{number:>11g}" for number in row.values()))
    edges = graph(root / CORE)
    path, cycles = layers(edges)
    print(f"\n{len(path)} layers of {len(edges)} packages: {' > '.join(path)}")
    print(f"cycles: {'; '.join(', '.join(c) for c in cycles) or 'none'}")
    imports = {"packages": len(edges), "layers": len(path), "path": path, "cycles": cycles}
    if options.json:
        options.json.write_text(json.dumps({**found, "imports": imports}, indent=1) + "\n")


if __name__ == "__main__":
    main()
