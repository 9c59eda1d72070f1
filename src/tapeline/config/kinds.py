"""What settings are made of: numbers with bounds, words, and the base of every table."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

YEAR_S = 31_536_000.0

Seconds = Annotated[float, Meta(gt=0, le=YEAR_S)]  # bounded, so that `inf` does not reach a timer
HoursBetween = Annotated[float, Meta(ge=0, le=1000, extra={"unit": "hours"})]  # 0 for never
Count = Annotated[int, Meta(ge=1)]
Connections = Annotated[int, Meta(ge=1, le=4)]
Bytes = Annotated[int, Meta(ge=1024, le=2**40, extra={"unit": "bytes"})]
MebiBytes = Annotated[float, Meta(gt=0, le=2**20)]
Text = Annotated[str, Meta(min_length=1)]
Transport = Literal["picows", "websockets"]
Mode = Literal["websocket", "polling", "hybrid", "auto"]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every table has in common: frozen, by keyword, no unknown keys."""
