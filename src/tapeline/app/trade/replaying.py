"""A recording of a trading run played again: the same strategies, settings and inputs give the same commands."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from gzip import decompress
from importlib.metadata import version
from pathlib import Path

import msgspec

from tapeline.app.trade.books import EngineBooks
from tapeline.app.trade.loading import load
from tapeline.app.trade.recorder import FORMAT, HEAD, MEMO, Code, Head, digest_of, module_sha256
from tapeline.config import StrategyConfig
from tapeline.errors import BadData, ConfigError
from tapeline.store.recording import RecordingReading, read_inputs
from tapeline.trading.engine import Engine
from tapeline.trading.memo import Memo, decode, layout
from tapeline.trading.replay import Difference, Replay
from tapeline.trading.restore import restore


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a replay found. `ended` is why the run ended, "" where the recording is torn; `broken` says where.

    `warnings` are what is not as it was when the run was recorded: another version, other code.
    """

    folder: Path
    inputs: int
    commands: int
    digest: str
    begun_ns: int
    last_ns: int
    ended: str
    broken: str = ""
    difference: Difference | None = None
    warnings: tuple[str, ...] = field(default=())


def recordings(folder: Path) -> list[Path]:
    """The recordings there, oldest first: the folder itself, or those in it. Raises ConfigError where there is none."""
    if (folder / HEAD).is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"run-*/{HEAD}"))
    if not found:
        raise ConfigError(f"{folder} holds no recording of a trading run (there is no {HEAD})")
    return found


def replay(
    folder: Path, *, code: Path | None = None, progress: Callable[[int], None] = lambda _inputs: None
) -> Outcome:
    """Play one recording to the strategies as they were, or (`code`) as their files in that folder are now.

    Raises ConfigError where it cannot be played at all: a part of it is missing, or of a later version.
    """
    head = _head(folder)
    restored = restore((), head.instance, head.restored_ns, method=head.accounting, memo=_memo(folder, head))
    engine = Engine(
        head.setup, [load(_config(each, folder, code), code) for each in head.strategies], blotter=restored.blotter,
        ledger=restored.ledger, books=EngineBooks(), digest=restored.digest, losses=restored.losses, held=restored.held,
    )  # fmt: skip
    reading = RecordingReading()
    player = Replay(engine, {**restored.instruments, **head.setup.instruments})
    found = player.play(read_inputs(folder, reading), progress)
    return Outcome(
        folder=folder, inputs=found.inputs, commands=found.commands, digest=found.digest, begun_ns=head.begun_ns,
        last_ns=found.last_ns, ended=found.ended, broken=reading.broken, difference=found.difference,
        warnings=tuple(_changed(head)),
    )  # fmt: skip


def _head(folder: Path) -> Head:
    try:
        text = (folder / HEAD).read_bytes()
        said = msgspec.json.decode(text)
        if isinstance(said, dict) and said.get("format") != FORMAT:
            raise ConfigError(
                f"{folder} is a recording of format {said.get('format')}, and this Tapeline reads {FORMAT}"
            )
        return msgspec.json.decode(text, type=Head)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{folder / HEAD} cannot be read: {error}") from error


def _memo(folder: Path, head: Head) -> Memo:
    path = folder / MEMO
    if head.layout != layout():
        raise ConfigError(
            f"{folder} was recorded by Tapeline {head.version}, whose orders and books are not kept as here: "
            "replay it with that version"
        )
    try:
        packed = path.read_bytes()
        if digest_of(packed) != head.memo:
            raise ConfigError(f"{path} is damaged: the run cannot be begun again as it was")
        return decode(decompress(packed))
    except (OSError, EOFError, zlib.error, BadData) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def _config(kept: Code, folder: Path, code: Path | None) -> StrategyConfig:
    if code is not None or not kept.kept:
        return kept.config
    name = kept.config.run.rpartition(":")[2]
    return msgspec.structs.replace(kept.config, run=f"{folder / kept.kept}:{name}")


def _changed(head: Head) -> Iterator[str]:
    if head.version != version("tapeline"):
        yield f"recorded by Tapeline {head.version}, and this is {version('tapeline')}"
    for each in head.strategies:
        if not each.kept and each.sha256 != module_sha256(each.config.run):
            yield f"the code of {each.config.run} is not what it was when the run was recorded"
