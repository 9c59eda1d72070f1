import re
from pathlib import Path

import pytest

from tapeline.model.order import REASONS, TRANSITIONS
from tapeline.sim.faults import KINDS
from tapeline.surfaces.reference import FOLDER, PAGES, REMEDY, commands, configuration, events, orders
from tapeline.surfaces.reference.__main__ import main
from tapeline.surfaces.reference.markdown import code, page, table
from tapeline.surfaces.reference.orders import MEANINGS, WHY

DOCS = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", PAGES)
def test_the_committed_page_is_what_the_code_says(name: str) -> None:
    path = DOCS / name
    committed = path.read_text(encoding="utf-8") if path.exists() else ""
    assert committed == PAGES[name](), f"docs/reference/{name} is not what the code says. Remedy: {REMEDY}"


def test_a_setting_s_row() -> None:
    lines = configuration().splitlines()
    assert ("| `reconnect_delay_max_s` | number, over 0 | `60.0` | seconds | Longest back-off. |") in lines
    assert (
        '| `empty` | `skip` or `carry` | `"skip"` |  | An interval without a trade: `skip` gives no bar, `carry` one '
        "of the last close and no volume. |"
    ) in lines
    assert ("| `keep` | whole number, at least 1, at most 1000 | `5` | files | Rotated log files kept. |") in lines
    assert (
        "| `venue` | text | must be given |  | The venue's name, as in `tapeline venues`, or `ccxt-EXCHANGE`. |"
        in lines
    )


def test_an_event_s_row() -> None:
    lines = events().splitlines()
    assert "| `channel` | text |  | the channel, as in configuration |" in lines
    assert any(line.startswith("| `instrument` | text or null |  | `venue:symbol`, split at ") for line in lines)
    assert "| `revision` | integer | `0` | counts from 1 when closed, 0 while open |" in lines
    assert "| `side` | text |  | the order's: a long that is sold is `sell` |" in lines
    assert "| `topics` | list of text |  | what it carries |" in lines


def test_an_order_s_states_and_reasons() -> None:
    lines = orders().splitlines()
    assert "| `withdrawn` | it was never sent, and will not be | final |" in lines
    assert "| `intended` |" in lines[lines.index("## States") + 4]
    assert lines[lines.index("## States") + 4].endswith("| `submitted`, `withdrawn` |")
    assert "| `filled` | all of it is filled, by the venue's word | final |" in lines
    assert "    unknown --> never_arrived" in lines
    assert "    open --> never_arrived" not in lines
    assert "    filled --> [*]" in lines
    assert "| `would_cross` | post-only, and it would have taken |" in lines
    assert set(MEANINGS) == set(TRANSITIONS)
    assert set(WHY) == set(REASONS)


def test_a_command_s_section() -> None:
    text = commands()
    section = text.split("## tapeline venues\n", 1)[1].split("\n## ", 1)[0]
    assert "Print the name of every known venue, one a line" in section
    assert "Example: `tapeline venues`" in section
    assert text.count("\n# ") == 0
    assert text.startswith("# Commands\n")


def test_every_fault_is_told_with_what_it_does() -> None:
    _, _, faults = commands().partition("## Faults")
    told = re.findall(r"^\| `(\w+)` \|", faults, re.MULTILINE)
    assert told == list(KINDS)
    assert "| `429` |  | seconds, `1` | REST answers HTTP 429 with this Retry-After: for DURATION, or once |" in faults
    assert "| `closing` | 30 s |  | the venue's notice that it will close; it does so after DURATION |" in faults


def test_every_parameter_of_every_command_says_what_it_is() -> None:
    silent = [line for line in commands().splitlines() if re.fullmatch(r"\* `[^`]+`:?( ?\*+\[.*\]\*+)*", line)]
    assert silent == []


def test_pieces_of_markdown() -> None:
    assert code("") == ""
    assert code("x") == "`x`"
    assert table(("a", "b"), [("1|2", "x\ny")]) == "| a | b |\n| --- | --- |\n| 1\\|2 | x y |"
    assert page("T", "one\n", "two").startswith("# T\n\n<!-- Generated")
    assert page("T", "one\n", "two").endswith("-->\n\none\n\ntwo\n")


@pytest.mark.parametrize(("arguments", "folder"), [([], FOLDER), (["new/place"], "new/place")])
def test_the_remedy_writes_every_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    main(arguments)
    written = {each.name: each.read_text(encoding="utf-8") for each in (tmp_path / folder).iterdir()}
    assert written == {name: make() for name, make in PAGES.items()}
