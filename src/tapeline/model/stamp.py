"""Instants at the surface: ISO 8601 text to and from UTC nanoseconds."""

import re
from datetime import UTC, datetime

from tapeline.errors import ConfigError

_ISO = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?)?(Z|\+00:?00)?", re.ASCII)


def iso(at_ns: int) -> str:
    """`2024-08-08T23:56:30Z`, with as many fractional digits (0, 3, 6 or 9) as it takes to be exact."""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if not rest:
        return text + "Z"
    digits = f"{rest:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z"


def instant(text: str) -> int:
    """UTC nanoseconds of ISO 8601 text (UTC, to the nanosecond) or of integer nanoseconds. Raises ConfigError.

    Four digits could be a year and are refused; eight are a day (20240808), not a fraction of 1970's first second.
    """
    if re.fullmatch(r"\d{8}", text, re.ASCII):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    elif re.fullmatch(r"-?(\d{1,3}|\d{5,})", text, re.ASCII):
        return int(text)
    match = _ISO.fullmatch(text)
    problem = ConfigError(
        f"{text!r} is not a time: write ISO 8601 in UTC (2024-08-08T23:56:30Z) or integer nanoseconds"
    )
    if match is None:
        raise problem
    day, clock, fraction, _zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}+00:00")
    except ValueError as error:
        raise problem from error
    return int(moment.timestamp()) * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))
