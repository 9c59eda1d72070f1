"""Options that several commands share: each is worded here, once, and so is the reading of what they say."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tapeline.config import Config, load
from tapeline.errors import ConfigError
from tapeline.model.instrument import split_id
from tapeline.model.stamp import instant

OneInstrument = Annotated[str, Parameter(help="The instrument as VENUE:SYMBOL.")]
SomeInstruments = Annotated[list[str], Parameter(help="Instruments as VENUE:SYMBOL, one or several.")]
AnyInstruments = Annotated[list[str] | None, Parameter(help="Instruments as VENUE:SYMBOL; all where none is.")]
OneChannel = Annotated[str | None, Parameter(help="Only this one: bars:1m, bars:1m@trades, trades, ...")]
StoreFolder = Annotated[Path, Parameter(help="The store's folder.")]
StoreOrConfigured = Annotated[Path | None, Parameter(help="The store's folder.")]
WhoseStore = Annotated[Path | None, Parameter(help="The configuration whose store is meant.")]
From = Annotated[str | None, Parameter(name="--from", help="From this time on: ISO 8601 in UTC, or nanoseconds.")]
Until = Annotated[str | None, Parameter(help="Up to, not including, this time.")]
Addresses = Annotated[
    Path | None, Parameter(help="A configuration, for the addresses of venues, [connection] and [store].")
]
WsUrl = Annotated[str | None, Parameter(help="Replaces scheme, host and port of the WebSocket endpoints.")]
RestUrl = Annotated[str | None, Parameter(help="Replaces scheme, host and port of the REST address.")]


def configured(config: Path | None, store: Path | None) -> Config:
    """The configuration in force, with this store where one is given. Raises ConfigError."""
    return load(config, os.environ, {"store.path": str(store)} if store is not None else {})


def store_of(settings: Config) -> Path:
    """The folder of the store that is meant. Raises ConfigError where nothing says it."""
    folder = settings.store.folder
    if folder is None:
        raise ConfigError("which store? Give --store PATH, or --config FILE with [store] path, or TAPELINE_STORE__PATH")
    return folder


def instant_or_none(text: str | None) -> int | None:
    """Nanoseconds; None where nothing is given. Raises as `instant` does."""
    return None if text is None else instant(text)


def named(instruments: Sequence[str]) -> tuple[str, ...]:
    """The same, each of which has a venue and a symbol. Raises ConfigError."""
    if not all(all(split_id(text)) for text in instruments):
        raise ConfigError(f"{' '.join(instruments)}: write each as VENUE:SYMBOL")
    return tuple(instruments)
