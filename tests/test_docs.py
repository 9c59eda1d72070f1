"""Every command, setting and event is documented, and so is every field of it; links inside the docs lead somewhere."""

import re
from pathlib import Path

import msgspec
import pytest

from tapeline.config import (
    AlertsConfig,
    AuditConfig,
    BarsConfig,
    Config,
    ConnectionConfig,
    LogConfig,
    StoreConfig,
    StreamConfig,
    VenueConfig,
)
from tapeline.model.channel import PLAIN
from tapeline.model.event import EVENTS, Gap, Link
from tapeline.surfaces.cli import COMMANDS
from tapeline.surfaces.reference.events import CAUSES, CHANNELS, STATES, meaning, tag

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
SETTINGS = [
    Config,
    StoreConfig,
    ConnectionConfig,
    BarsConfig,
    AuditConfig,
    AlertsConfig,
    LogConfig,
    VenueConfig,
    StreamConfig,
]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    assert f"\n## tapeline {name}\n" in (REFERENCE / "commands.md").read_text(encoding="utf-8")


def test_every_setting_has_a_meaning() -> None:
    text = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", text, flags=re.MULTILINE)
    assert len(rows) > len(ConnectionConfig.__struct_fields__)
    for name, meaning_of in rows:
        assert meaning_of.strip(), f"{name} has no meaning: add Meta(description=...) in config/tree.py"


@pytest.mark.parametrize("kind", SETTINGS)
def test_every_setting_is_in_the_reference(kind: type[msgspec.Struct]) -> None:
    text = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    for name in kind.__struct_fields__:
        assert f"| `{name}` |" in text or f"## [{name}" in text or f"## [[{name}]]" in text


@pytest.mark.parametrize("kind", EVENTS, ids=tag)
def test_every_event_and_field_is_documented(kind: type[msgspec.Struct]) -> None:
    text = (REFERENCE / "events.md").read_text(encoding="utf-8")
    assert f"\n## {tag(kind)}\n" in text
    for name in kind.__struct_fields__:
        assert meaning(kind, name), (
            f"{kind.__name__}.{name} has no meaning: add it to FIELDS in surfaces/reference/events.py"
        )


def test_states_causes_and_channels_are_those_of_the_events() -> None:
    words = set(re.findall(r"\w+", f"{Link.__doc__} {Gap.__doc__}"))
    assert STATES.keys() <= words
    assert CAUSES.keys() <= words
    assert CHANNELS.keys() == {*PLAIN, "book[:LEVELS][@SPEED]", "bars:INTERVAL[@trades|@aggtrades]"}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_inside_the_documents_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith(("#", "mailto:")):
            continue
        assert (path.parent / target.partition("#")[0]).exists(), f"{path}: the link to {target} leads nowhere"


def test_every_page_is_linked_from_the_readme() -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Documentation\n")[2]
    linked = {(ROOT / target).resolve() for target in re.findall(r"\]\((docs/[^)#]+)", section)}
    missing = {page for page in (ROOT / "docs").rglob("*") if page.suffix in {".md", ".ipynb"}} - linked
    assert not missing, f"link them in README.md's documentation section: {sorted(map(str, missing))}"
