"""`tapeline venues`: the venues that can be streamed."""

import sys

from tapeline.venues import venues as known_venues


def venues() -> None:
    """Print the name of every known venue, one a line: ours, and those that other packages register.

    These are the names that `venue = "..."` takes in a configuration, and `--venue` on the command line.

    Exit codes: 0 done, 2 a package registers something that is no venue.

    Example: `tapeline venues`
    """
    sys.stdout.writelines(f"{name}\n" for name in sorted(known_venues()))
