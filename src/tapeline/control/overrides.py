"""overrides.json: modes that were set at run time, beside status.json; they hold until they are cleared."""

import os
from pathlib import Path

import msgspec

from tapeline.config.kinds import Mode
from tapeline.errors import ConfigError

NAME = "overrides.json"


class Overrides(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`mode` for everything, None where that is left to the configuration; `instruments` before it, by id."""

    mode: Mode | None = None
    instruments: dict[str, Mode] = msgspec.field(default_factory=dict)

    def mode_of(self, instrument: str) -> tuple[Mode | None, str]:
        """What holds for an instrument, and where it comes from; None where nothing was set."""
        if instrument in self.instruments:
            return self.instruments[instrument], f"{NAME} instruments"
        return self.mode, f"{NAME} mode"

    def with_mode(self, mode: Mode, instrument: str | None = None) -> "Overrides":
        """The same with one set."""
        if instrument is None:
            return Overrides(mode)  # for everything: what was set one by one before is over
        return Overrides(self.mode, {**self.instruments, instrument: mode})

    def without(self, instrument: str | None = None) -> "Overrides":
        """The same with one cleared, or all."""
        if instrument is None:
            return Overrides()
        return Overrides(self.mode, {name: mode for name, mode in self.instruments.items() if name != instrument})


def read_overrides(folder: Path) -> Overrides:
    """What was set for the store in this folder. Raises ConfigError where the file cannot be read as that."""
    path = folder / NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Overrides)
    except FileNotFoundError:
        return Overrides()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}. Remove it, or `tapeline websocket config --clear`"
        ) from error


def write_overrides(folder: Path, overrides: Overrides) -> None:
    """Replace the file as a whole; remove it where nothing is set. Raises OSError."""
    path = folder / NAME
    if overrides == Overrides():
        path.unlink(missing_ok=True)
        return
    beside = path.with_name(f".{NAME}.{os.getpid()}")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(overrides), indent=2) + b"\n")
    beside.replace(path)
