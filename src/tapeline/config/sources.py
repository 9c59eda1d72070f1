"""Reads the configuration file and the environment. The only part of configuration that touches a file."""

import tomllib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapeline.config.environ import overlay, put
from tapeline.config.levels import faults
from tapeline.config.tree import Config
from tapeline.config.walk import Given, decode
from tapeline.errors import ConfigError

MAX_FILE_BYTES = 2**20
NEEDED = frozenset({"account", "store", "venue"})  # without which a stop would be one of something else
KEYS = frozenset({"key", "key_file", "secret", "secret_file", "passphrase", "passphrase_file"})


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, and where each value comes from: path -> default | file | environment NAME | command line."""

    config: Config
    origins: Mapping[str, str]


def load(path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Config:
    """The configuration of this file, environment and command line; later ones win.

    `overrides` is what the command line gave: "store.path" -> value, None where it was silent.
    Raises ConfigError that names every fault, one a line.
    """
    return load_with_origins(path, environ, overrides).config


def load_with_origins(
    path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Loaded:
    """`load`, with where each value comes from."""
    raw = _given(path, environ)
    for name, value in (overrides or {}).items():
        if value is not None:
            put(raw, name.split("."), Given(value, "command line"))
    config, findings = decode(raw, Config)
    problems = findings.faults or (list(faults(config)) if config is not None else [])
    if problems or config is None:
        raise ConfigError(_told(path, problems))
    return Loaded(config, findings.origins)


def load_for_a_stop(path: Path | None, environ: Mapping[str, str]) -> tuple[Config, str]:
    """The configuration for a stop, which waits for no table that it can do without; and what is at fault, or "".

    A table at fault is left out whole: its defaults hold. Raises ConfigError where one is that says which accounts are
    meant, or where they are.
    """
    try:
        return load(path, environ), ""
    except ConfigError as error:
        raw = _given(path, environ)
        sound = {name: table for name, table in raw.items() if name in NEEDED or _sound({name: table}) is not None}
        config = _sound(sound)
        if config is None:
            raise
        left_out = ", ".join(f"[{name}]" for name in raw if name not in sound)
        return config, f"{error}\ngoing on as if there were no {left_out}"


def _sound(raw: Mapping[str, Any]) -> Config | None:
    config, _ = decode(raw, Config)
    return None if config is None or any(faults(config)) else config


def _given(path: Path | None, environ: Mapping[str, str]) -> dict[str, Any]:
    """What the file and the environment say, as it is."""
    raw = _read(path) if path is not None else {}
    written = raw.get("account")
    of_file = frozenset(written) if isinstance(written, dict) else frozenset[str]()
    overlay(raw, environ)
    _forget_keys(raw, of_file)
    return raw


def _forget_keys(raw: dict[str, Any], of_file: Container[str]) -> None:
    """An account that the file does not name, and of which the environment holds only keys, is of another command."""
    accounts = raw.get("account")
    if isinstance(accounts, dict):
        for name, table in list(accounts.items()):
            if name not in of_file and isinstance(table, dict) and table.keys() <= KEYS:
                del accounts[name]


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror or error}") from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{path} is over {MAX_FILE_BYTES} bytes: that is no configuration")
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def _told(path: Path | None, problems: list[str]) -> str:
    where = str(path) if path is not None else "configuration"
    if len(problems) == 1:
        return f"{where}: {problems[0]}"
    return f"{where} has {len(problems)} faults:\n" + "\n".join(f"  {problem}" for problem in problems)
