"""Writes the generated reference pages under the working directory, or into the folder that is given."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tapeline.surfaces.reference import FOLDER, PAGES


def main(arguments: Sequence[str]) -> None:
    """Write every page into this folder, made where it is missing."""
    folder = Path(arguments[0]) if arguments else Path(FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    sys.argv[0] = "tapeline"  # what help goes by where it names the program
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
