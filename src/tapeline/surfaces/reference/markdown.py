"""The few pieces of Markdown that the generated pages are made of. Pure."""

from collections.abc import Iterable, Sequence

NOTE = (
    "<!-- Generated from the code by `uv run python -m tapeline.surfaces.reference`: edit the code, not this page. -->"
)


def page(title: str, *parts: str) -> str:
    """A whole page."""
    return "\n\n".join([f"# {title}", NOTE, *(part.strip("\n") for part in parts)]) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what stands in a cell stays in it."""
    lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
    lines += [" | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def code(value: str) -> str:
    """Text as code; nothing stays nothing."""
    return f"`{value}`" if value else ""
