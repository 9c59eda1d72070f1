"""OKX's error codes as our errors: one table.

https://www.okx.com/docs-v5/en/#error-code
"""

from collections.abc import Mapping

from tapeline.errors import (
    AuthenticationRefused,
    ClockWrong,
    RateLimited,
    Refused,
    Retry,
    SubscriptionRefused,
    TapelineError,
    UnknownInstrument,
)

LIMITED_S = 2.0  # limits are per two seconds
SILENCE_S: Mapping[int, float] = {429: LIMITED_S, 418: 120.0}
CODES: Mapping[str, type[Retry] | type[Refused]] = {
    # retry, after a back-off: unavailable, timeout inside (an order's outcome is unknown), busy, system, login inside
    **dict.fromkeys(("50001", "50004", "50013", "50026", "51054", "51149", "51412", "63999"), Retry),
    # back off: nothing is asked until the time is over
    **dict.fromkeys(("50011", "50040", "50061", "60014"), RateLimited),
    # fix the clock, then once more
    **dict.fromkeys(("50102", "50112", "60004", "60006"), ClockWrong),
    # give up: key, signature, passphrase, environment, address, permission
    **dict.fromkeys(
        ("50030", "50101", "50103", "50104", "50105", "50106", "50107", "50110", "50111", "50113", "50114", "50119",
         "50120", "60005", "60007", "60009", "60011", "60024", "60031", "60032"),
        AuthenticationRefused,
    ),
    # give up: wrong URL, arguments, count, tier
    **dict.fromkeys(("60008", "60012", "60013", "60018", "60020", "60025", "60028", "60029", "64003"),
                    SubscriptionRefused),
    "51001": UnknownInstrument,
}  # fmt: skip
"""Every other code (parameters, price bands, balances, orders) is a plain Refused: asking again will not help."""

HTTP_CODES: Mapping[int, str] = {429: "50011", 401: "50103", 404: "51001"}  # of a status, for the simulator's bodies


def refusal(code: str, text: str) -> TapelineError:
    """What a code means."""
    kind = CODES.get(code, Refused)
    if issubclass(kind, Refused):
        return kind(text, code=code)
    return kind(text, after_s=LIMITED_S if kind is RateLimited else None)
