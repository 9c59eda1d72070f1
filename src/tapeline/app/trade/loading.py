"""Strategies by name: `module:Class`, `module:function` or `path/to/file.py:Class`, with their settings."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tapeline.config.trade import StrategyConfig
from tapeline.errors import ConfigError
from tapeline.trading.settings import settings_of
from tapeline.trading.strategy import Plain, Strategy


def load(config: StrategyConfig, folder: Path | None = None) -> Strategy:
    """The strategy of a `[[strategy]]` table. Files are looked for in `folder` (the configuration's), then as given.

    Raises ConfigError that says what is wrong with its name, its settings or its code.
    """
    found = _find(config.run, folder)
    settings: dict[str, Any] = dict(config.settings)
    for name in ("name", "account", "instruments", "channels"):
        value = getattr(config, name)
        if value is not None:
            settings[name] = value
    if isinstance(found, type) and issubclass(found, Strategy):
        return _made(config.run, found, settings)
    if callable(found) and not isinstance(found, type):
        if not settings.get("instruments"):
            raise ConfigError(f"{config.run} is a function: say what it watches, `instruments` and `channels`")
        if inspect.iscoroutinefunction(found):
            raise ConfigError(f"{config.run} is async, and would never run: write a plain function")
        return Plain(found, **settings)
    raise ConfigError(f"{config.run} is {found!r}, neither a Strategy nor a function")


def _made(run: str, of: type[Strategy], settings: Mapping[str, Any]) -> Strategy:
    try:
        made = of(**settings)
    except TypeError as error:
        raise ConfigError(f"{run} cannot be made of its settings: {error}") from error
    if "_desk" not in vars(made):
        raise ConfigError(f"{run} has an __init__ of its own, which has to call super().__init__(**settings)")
    waits = [name for name in dir(of) if name.startswith("on_") and inspect.iscoroutinefunction(getattr(of, name))]
    if waits:
        raise ConfigError(f"{run}: {', '.join(waits)} is async, and would never run: hooks are plain functions")
    return made


def with_settings(config: StrategyConfig, texts: Iterable[str]) -> StrategyConfig:
    """The same with settings of the command line, each `name=value`. Raises ConfigError."""
    known = {}
    found = _find(config.run, None)
    if isinstance(found, type) and issubclass(found, Strategy):
        known = settings_of(found)
    settings = dict(config.settings)
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"--set {text}: write name=value")
        settings[name] = _read(value, known.get(name))
    return StrategyConfig(
        run=config.run, name=config.name, account=config.account, instruments=config.instruments,
        channels=config.channels, settings=settings,
    )  # fmt: skip


def _read(text: str, default: Any) -> Any:
    """A value of the command line, as the setting's default is."""
    if isinstance(default, bool):
        if text not in {"true", "false"}:
            raise ConfigError(f"{text!r} is neither true nor false")
        return text == "true"
    if isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError:
            raise ConfigError(f"{text!r} is not a number") from None
    if isinstance(default, Sequence) and not isinstance(default, str):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _find(run: str, folder: Path | None) -> Any:
    where, _, name = run.rpartition(":")
    if not where or not name:
        raise ConfigError(f"{run!r} names no strategy: write module:Class, or path/to/file.py:Class")
    path = file_of(run, folder)
    module = _module(where) if path is None else _file(path)
    found = getattr(module, name, None)
    if found is None:
        near = _strategies(vars(module))
        raise ConfigError(f"{where} has no {name!r}; it has {', '.join(near) or 'no strategy'}")
    return found


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"strategy module {name!r}: {error}") from error
    except Exception as error:
        raise ConfigError(f"strategy module {name!r} does not load: {type(error).__name__}: {error}") from error


def file_of(run: str, folder: Path | None) -> Path | None:
    """Where the code of a strategy is, given as a file; None where it is a module. Raises ConfigError."""
    where = run.rpartition(":")[0]
    if not where.endswith(".py"):
        return None
    places = [path for path in ((folder / where) if folder else None, Path(where)) if path is not None]
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        raise ConfigError(f"there is no file {where}" + (f", in {folder} or here" if folder else ""))
    return path


def _file(path: Path) -> ModuleType:
    name = f"tapeline_strategy_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, f"{path} ends in .py"
    assert spec.loader is not None, "a file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that what it defines can be found by its module's name
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"{path} does not load: {type(error).__name__}: {error}") from error
    return module


def _strategies(names: Mapping[str, Any]) -> list[str]:
    return [
        name
        for name, each in names.items()
        if inspect.isclass(each) and issubclass(each, Strategy) and each not in {Strategy, Plain}
    ]
