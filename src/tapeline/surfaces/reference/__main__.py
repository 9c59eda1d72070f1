"""Writes the generated reference pages under the working directory, or the folder that is given."""

import sys
from pathlib import Path

from tapeline.surfaces.reference import FOLDER, PAGES


def write(folder: Path) -> None:
    """Write every page into this folder, made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(*sys.argv[1:2]) if sys.argv[1:] else Path(FOLDER))
