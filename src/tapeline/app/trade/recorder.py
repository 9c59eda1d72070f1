"""A recording of a trading run: a folder with all that went into its engine, and all that made the engine."""

import hashlib
import importlib.util
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from gzip import compress
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import msgspec

from tapeline.app.trade.loading import file_of
from tapeline.clock import Clock
from tapeline.config import StrategyConfig
from tapeline.errors import ConfigError
from tapeline.model.stamp import iso
from tapeline.store.recording import RecordingStatistics, RecordingWriter
from tapeline.store.tape_writer import TapeWriter
from tapeline.trading.engine import Engine
from tapeline.trading.memo import layout
from tapeline.trading.setup import Setup

FORMAT = 1
HEAD, MEMO, CODE, PRIVATE = "recording.json", "journal.memo.gz", "code", "private"
STOP_WITHIN_S = 10.0


class Code(msgspec.Struct, frozen=True):
    """A strategy as it was run: `kept` is its file in the recording, "" of a module; `sha256` of the source."""

    config: StrategyConfig
    kept: str
    sha256: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a recording says of itself: all that an engine is made of, beside what its journal had come to."""

    format: int
    version: str
    layout: str  # of the memo, and its digest
    memo: str
    begun_ns: int
    mode: str
    instance: str
    restored_ns: int
    accounting: str
    setup: Setup
    strategies: tuple[Code, ...]


class Recorder:
    """One recording, in a folder of its own. `inputs` takes what the engine tells, `tape` an account's raw frames."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder, self._clock = folder, clock
        self.inputs = RecordingWriter(folder)
        self.tape = TapeWriter(folder / PRIVATE, clock=clock)
        self.engine: Engine | None = None
        self._memo = ""
        self.why = "without an orderly stop"

    def remember(self, memo: bytes) -> None:
        """What the journal had come to when the run began. Raises ConfigError where the disk refuses."""
        packed = compress(memo, compresslevel=1)
        self._memo = digest_of(packed)
        try:
            (self.folder / MEMO).write_bytes(packed)
        except OSError as error:
            raise ConfigError(f"no recording can be made in {self.folder}: {error}") from error

    def describe(
        self, setup: Setup, strategies: Sequence[StrategyConfig], folder: Path | None, *, mode: str, instance: str,
        restored_ns: int, accounting: str,
    ) -> None:  # fmt: skip
        """Write down what the engine is made of. Raises ConfigError for settings that JSON does not hold."""
        head = Head(
            format=FORMAT, version=version("tapeline"), layout=layout(), memo=self._memo,
            begun_ns=self._clock.wall_ns(), mode=mode, instance=instance,
            restored_ns=restored_ns, accounting=accounting, setup=setup,
            strategies=tuple(self._code(number, each, folder) for number, each in enumerate(strategies, 1)),
        )  # fmt: skip
        try:
            text = msgspec.json.encode(head, enc_hook=_plain)
            msgspec.json.decode(text, type=Head)
        except (TypeError, msgspec.MsgspecError) as error:
            raise ConfigError(f"what the run is made of cannot be recorded: {error}") from error
        (self.folder / HEAD).write_bytes(text)

    def statistics(self) -> RecordingStatistics:
        """For status."""
        return self.inputs.statistics()

    def close(self) -> None:
        """The end, with the engine's last word."""
        digest, at_ns = "", self._clock.wall_ns()
        if self.engine is not None:
            digest = self.engine.digest
        self.inputs.stop(self.why, digest, at_ns, STOP_WITHIN_S)
        self.tape.stop(STOP_WITHIN_S)

    def _code(self, number: int, config: StrategyConfig, folder: Path | None) -> Code:
        path = file_of(config.run, folder)
        if path is None:
            return Code(config, "", module_sha256(config.run))
        kept = Path(CODE) / str(number) / path.name
        (self.folder / kept).parent.mkdir(parents=True)
        shutil.copyfile(path, self.folder / kept)
        return Code(config, str(kept), hashlib.sha256(path.read_bytes()).hexdigest())


@contextmanager
def recording(into: Path, clock: Clock) -> Iterator[Recorder]:
    """A new recording below this folder, named by when it began. Raises ConfigError where it cannot be made."""
    name = iso(clock.wall_ns() // 1_000_000 * 1_000_000).replace(":", "").replace("-", "")
    folder = into / f"run-{name}"
    try:
        into.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)  # what accounts do is nobody else's business
        recorder = Recorder(folder, clock)
        recorder.inputs.start()
    except OSError as error:
        raise ConfigError(f"no recording can be made in {into}: {error}") from error
    recorder.tape.start()
    try:
        yield recorder
    finally:
        recorder.close()


def _plain(value: object) -> object:
    """What JSON has no words for, and can be in a configuration: a mapping that is not to be changed."""
    if isinstance(value, MappingProxyType):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def digest_of(data: bytes) -> str:
    """By which damage is found."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def module_sha256(run: str) -> str:
    """Of the source of a strategy given as a module; "" where there is none to be read."""
    name = run.rpartition(":")[0]
    with suppress(ImportError, ValueError, OSError):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
    return ""
