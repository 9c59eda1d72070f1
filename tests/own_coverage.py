"""Each module is covered by its own test file, not by luck: 80 % of it, branches included.

Reads the data of one whole run under coverage (`make coverage`), in which every test file is a context of its own (see
conftest.py): lines that only other files' tests reach do not count.
"""

import io
import re
import sys
from pathlib import Path

import coverage

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "tapeline"
ENOUGH = 80.0
# What is left out, and why.
LEFT_OUT = {
    "app/edge": "a value without a line of logic",
    "config/kinds": "types of settings: tests/config holds every setting to them",
    "config/sync": "settings without a line of logic: tests/config/test_modes_of_streams.py says what they mean",
    "surfaces/cli/__init__": "the table of commands: tests/surfaces runs every command through it",
    "config/__init__": "names what the package exports",
    "control/__init__": "names what the package exports",
    "model/account": "values without a line of logic: tests/trading and tests/venues say what they mean",
    "trading/command": "values without a line of logic: tests/trading/test_engine.py says what they mean",
    "trading/input": "values without a line of logic: tests/trading/test_engine.py says what they mean",
    "model/fact": "values without a line of logic: tests/sync and tests/store say what they mean",
    "model/verdict": "three words",
    "sim/witness": "tests/sim/test_world.py tells it lies that it has to find",
    "surfaces/cli/__main__": "two lines that the tests over sockets run in processes of their own",
    "surfaces/cli/demo": "run whole, in a process of its own, by tests/sockets/test_demo.py",
    "watch/hand": "a protocol: its two hands have their tests",
    "surfaces/demo": "run whole, in a process of its own, by tests/sockets/test_demo.py",
}


def own_tests(module: Path) -> list[str]:
    """tests/ROOM/test_NAME.py and test_NAME_*.py for src/tapeline/ROOM/NAME.py, and the same in tests/sockets."""
    relative = module.relative_to(SOURCE)
    stem = relative.stem if relative.stem != "__init__" else relative.parent.name
    folders = [ROOT / "tests" / (relative.parts[0] if len(relative.parts) > 1 else ""), ROOT / "tests" / "sockets"]
    names = [stem, *relative.parts[1:-1]]  # a package within a room is one idea: its tests are the package's
    found = {path for folder in folders for name in names for path in folder.glob(f"test_{name}*.py")}
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def percent_by(data: coverage.Coverage, module: Path, tests: list[str]) -> float:
    """Percent of the module that these test files cover; what runs at import counts for all."""
    contexts = ["^$", *(f"^{re.escape(name)}$" for name in tests)]
    return data.report(
        morfs=[str(module)], contexts=contexts, file=io.StringIO(), show_missing=False, skip_covered=False
    )


def main() -> int:
    """Print what falls short; 1 where anything does."""
    data = coverage.Coverage()
    data.load()
    short = []
    for module in sorted(SOURCE.rglob("*.py")):
        name = module.relative_to(SOURCE).with_suffix("").as_posix()
        if name in LEFT_OUT or module.read_text().count("\n") < 8:
            continue
        tests = own_tests(module)
        percent = percent_by(data, module, tests) if tests else 0.0
        if percent < ENOUGH:
            short.append(f"{name}: {percent:.0f} % by {', '.join(tests) or 'no test file of its own'}")
    said = "\n".join(short) or f"every module is covered to {ENOUGH:.0f} % by its own tests"
    sys.stdout.write(said + "\n")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
