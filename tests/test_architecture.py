"""The one-way street, and purity: who may import what. Each failure prints the remedy."""

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "tapeline"

# Left of the list may import right of it; names on one row never import each other.
STREET: list[set[str]] = [
    {"__init__"},
    {"surfaces", "testing"},
    {"sim"},
    {"app"},
    {"control", "watch"},
    {"config"},
    {"wire", "sync", "store", "outlet"},
    {"venues", "market", "trading"},
    {"model"},
    {"errors", "clock"},
]
NARROWER = {"config": {"model", "errors", "clock"}}  # of the rows to its right, config may use only these

IMPURE_MODULES = {"asyncio", "socket", "selectors", "ssl", "time", "random", "threading", "sqlite3", "subprocess",
                  "os", "pathlib", "io", "gzip", "shutil", "tempfile", "secrets", "uuid", "urllib", "http",
                  "picows", "websockets", "httpx2", "structlog", "logging"}  # fmt: skip
MAY_BE_IMPURE = (
    "wire/transport", "wire/feed", "wire/leg", "wire/lane", "wire/rest", "wire/turns", "wire/ccxt/",
    "wire/private/signed", "wire/private/keys", "wire/private/line", "wire/private/listening", "wire/private/account",
    "wire/gateway/entry", "wire/gateway/inquiry", "wire/gateway/sweep", "wire/gateway/orders",
    "sync/repair", "sync/audit",
    "store/", "outlet", "clock", "config", "app", "control", "watch", "sim/", "surfaces/", "testing", "__init__",
)  # fmt: skip
BANNED_NAMES = {"utils", "util", "helpers", "common", "base", "manager", "misc", "core"}
FILES = sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").as_posix()


def row_of(room: str) -> int:
    rows = [i for i, row in enumerate(STREET) if room in row]
    assert rows, f"{room} stands on no row of the street: add it to design and to STREET in {__file__}"
    return rows[0]


def imports_of(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.lineno, node.module))
            if node.module == "tapeline":
                found += [(node.lineno, f"tapeline.{alias.name}") for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_point_down_the_street(path: Path) -> None:
    ours = room_of(path)
    for line, module in imports_of(path):
        if not module.startswith("tapeline."):
            continue
        theirs = module.split(".")[1]
        if theirs == ours:
            continue
        allowed = row_of(theirs) > row_of(ours) and theirs in NARROWER.get(ours, {theirs})
        assert allowed, (
            f"{path}:{line} {ours} imports {theirs}, against the one-way street. "
            f"Remedy: take what you need from {theirs} as an argument, wired in app.py, or move the value to model/."
        )


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_pure_modules_touch_no_clock_socket_file_or_chance(path: Path) -> None:
    if name_of(path).startswith(MAY_BE_IMPURE):
        return
    for line, module in imports_of(path):
        top = module.split(".")[0]
        assert top not in IMPURE_MODULES, (
            f"{path}:{line} imports {top}, but {name_of(path)} is pure. "
            f"Remedy: take time, bytes or a callable as an argument; the edge has the real one."
        )
        assert top in sys.stdlib_module_names or top in {"tapeline", "msgspec"}, (
            f"{path}:{line} imports {top}: pure modules use the standard library and msgspec only."
        )


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_clock_or_chance_outside_the_edge(path: Path) -> None:
    if name_of(path) == "clock":
        return
    text = path.read_text(encoding="utf-8")
    for banned, remedy in {
        "datetime.now(": "take at_ns or a Clock",
        "datetime.utcnow(": "take at_ns or a Clock",
        "time.time(": "take a Clock",
        "time.time_ns(": "take a Clock",
        "fromtimestamp(": "give it UTC explicitly",
    }.items():
        for number, line in enumerate(text.splitlines(), 1):
            if banned in line and not (banned == "fromtimestamp(" and "UTC" in line):
                pytest.fail(f"{path}:{number} {banned}...): {remedy}")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_one_idea_per_module(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 400, f"{path} has {lines} lines: two ideas in one room? Split it by idea."
    assert path.stem not in BANNED_NAMES, f"{path}: a name that hides what is in the room; name the idea."
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 70, f"{path}:{node.lineno} {node.name} has {length} lines: over 70; aim under 40."


def test_only_risk_approves_an_order() -> None:
    """The token that makes an `Approved` has a name, and that name stands in one file: not even tests have it."""
    token, home = "_PASSED_BY" + "_RISK", SOURCE / "trading" / "risk" / "check.py"
    assert token in home.read_text(encoding="utf-8"), f"{home} has lost its token: is everybody free to approve?"
    for path in [*FILES, *Path(__file__).parent.rglob("*.py")]:
        if path != home:
            assert token not in path.read_text(encoding="utf-8"), (
                f"{path} approves an order by itself. Remedy: submit what check() in trading/risk approves."
            )


def test_generic_code_names_no_venue() -> None:
    names = {"binance", "okx", "bybit", "hyperliquid", "kraken", "coinbase", "ibkr"}
    for path in FILES:
        if room_of(path) in {"venues", "surfaces"} or name_of(path) == "__init__":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {
            node.body[0].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body and isinstance(node.body[0], ast.Expr)
        }  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
                found = [name for name in names if name in node.value.lower()]
                assert not found, (
                    f"{path}:{node.lineno} names {found[0]}: what a venue needs belongs in its Venue value."
                )
