"""Packages that are optional: imported when first used, and where one is absent the error says what to install."""

import importlib
from typing import Any

from tapeline.errors import ConfigError

_EXTRA = {  # module -> what brings it
    "pyarrow": "tapeline[frames]",
    "adbc_driver_sqlite": "tapeline[frames]",
    "duckdb": "tapeline[lake]",
    "polars": "polars",
    "pandas": "pandas",
}


def optional(module: str, purpose: str) -> Any:
    """The module. Raises ConfigError that names what to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = _EXTRA[module.partition(".")[0]]
        raise ConfigError(f"{purpose} needs {module}: install it with `pip install '{package}'`") from error


def installed(module: str) -> bool:
    """Whether it can be imported."""
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True
