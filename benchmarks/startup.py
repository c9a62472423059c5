"""Start-up time of the command line, in seconds, beside an empty Python.

python benchmarks/startup.py --out benchmarks/results/startup.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

WFLOW = [sys.executable, "-c", "from wflow_core.cli.main import main; main()"]
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "wflow --help": [*WFLOW, "--help"],
    "wflow plugins": [*WFLOW, "plugins"],
    "import torch": [sys.executable, "-c", "import torch"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    for command in COMMANDS.values():
        seconds(command)  # warm up the disk
    # Interleaved, so that other load on the machine affects all commands alike.
    rounds = [{n: seconds(c) for n, c in COMMANDS.items()} for _ in range(options.rounds)]
    found = {n: statistics.median(r[n] for r in rounds) for n in COMMANDS}
    result = {"median_seconds": found, "rounds": options.rounds}
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
