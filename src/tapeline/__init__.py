"""Tapeline: market data you can prove.

`Feed` streams live; `open` reads a store, or a Parquet archive, back; `Strategy` is what trades. They are imported when
first used, so that `import tapeline` is quick.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapeline.app.library import Feed
    from tapeline.store.reader import open_path as open  # noqa: A004  # tapeline.open, as json.load or wave.open
    from tapeline.trading.strategy import Strategy

__all__ = ["Feed", "Strategy", "open"]

_WHERE = {
    "Feed": ("tapeline.app.library", "Feed"),
    "Strategy": ("tapeline.trading.strategy", "Strategy"),
    "open": ("tapeline.store.reader", "open_path"),
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'tapeline' has no attribute {name!r}")
    import importlib  # noqa: PLC0415  # only when something is asked for

    module, attribute = _WHERE[name]
    return getattr(importlib.import_module(module), attribute)
