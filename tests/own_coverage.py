"""Each module is covered by its own test file, not by luck: 80 % of it, branches included.

Run by `make check` and CI. It runs every test file once under coverage, with only its own module measured.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "tapeline"
ENOUGH = 80.0
# Entry points and packages of values with nothing to run, with the reason each is left out.
LEFT_OUT = {
    "surfaces/cli/__init__": "the table of commands: tests/surfaces runs every command through it",
}


def own_tests(module: Path) -> list[Path]:
    """tests/ROOM/test_NAME*.py for src/tapeline/ROOM/NAME.py; a command's is test_NAME_command.py."""
    relative = module.relative_to(SOURCE)
    stem = relative.stem if relative.stem != "__init__" else relative.parent.name
    folder = ROOT / "tests" / (relative.parts[0] if len(relative.parts) > 1 else "")
    found = sorted(folder.glob(f"test_{stem}.py")) + sorted(folder.glob(f"test_{stem}_*.py"))
    if len(relative.parts) > 2:  # a package that is one idea: its tests are the package's
        found += sorted(folder.glob(f"test_{relative.parts[1]}*.py"))
    found += sorted((ROOT / "tests" / "sockets").glob(f"test_{stem}*.py"))
    return found


def measured(module: Path, tests: list[Path]) -> float:
    """Percent of the module that its own tests cover."""
    with tempfile.TemporaryDirectory() as scratch:
        data, report = Path(scratch, "data"), Path(scratch, "report.json")
        command = [sys.executable, "-m", "coverage", "run", "--branch", f"--data-file={data}", f"--include={module}"]
        subprocess.run(
            [*command, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *map(str, tests)],
            cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        merge = [sys.executable, "-m", "coverage", "combine", "-q", f"--data-file={data}", scratch]
        subprocess.run(merge, cwd=ROOT, check=True)
        make = [sys.executable, "-m", "coverage", "json", "-q", f"--data-file={data}", f"--include={module}"]
        subprocess.run([*make, "-o", str(report), "--fail-under=0"], cwd=ROOT, check=True)
        return float(json.loads(report.read_text())["totals"]["percent_covered"])


def main() -> int:
    """Print what falls short; 1 where anything does."""
    short = []
    for module in sorted(SOURCE.rglob("*.py")):
        name = module.relative_to(SOURCE).with_suffix("").as_posix()
        if name in LEFT_OUT or module.read_text().count("\n") < 8:
            continue
        tests = own_tests(module)
        percent = measured(module, tests) if tests else 0.0
        if percent < ENOUGH:
            short.append(f"{name}: {percent:.0f} % by {', '.join(t.name for t in tests) or 'no test file of its own'}")
    sys.stdout.write(("\n".join(short) or f"every module is covered to {ENOUGH:.0f} % by its own tests") + "\n")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
