"""OKX's error codes where an order is concerned: why it was refused, in our words, and back. Pure.

https://www.okx.com/docs-v5/en/#error-code-rest-api-trade
"""

import re
from collections.abc import Mapping

from tapeline.errors import (
    AuthenticationRefused,
    ClockWrong,
    OrderRefused,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Retry,
    TapelineError,
)
from tapeline.venues.okx.refusals import LIMITED_S, refusal

UNDER_WAY = "51410"  # a cancel of an order that is being cancelled
NO_SUCH_ORDER = "51603"
# The venue does not know itself, or may have acted before it failed.
UNKNOWN = frozenset({"50004", "50026", "51054", "51149", "51412", "63999"})

REASON_OF: Mapping[str, str] = {
    **dict.fromkeys(("51008", "51119", "51127", "51131", "51502", "51736", "51764"), "balance"),
    **dict.fromkeys(("51004", "51108", "51128", "51129"), "margin"),
    **dict.fromkeys(("51007", "51020", "51100", "51118", "51120"), "min_size"),
    **dict.fromkeys(("51005", "51101", "51103", "51104", "51105", "51106", "51107", "51185", "51201", "51202", "51203",
                     "51275"), "max_size"),
    "51121": "lot",
    "51122": "tick",
    **dict.fromkeys(("51006", "51031", "51116", "51135", "51136", "51137", "51138", "51250", "51252"), "price_band"),
    "51511": "would_cross",
    **dict.fromkeys(("51046", "51047", "51051", "51258", "51259", "51277", "51278", "51279", "51280"), "would_trigger"),
    **dict.fromkeys(("51023", "51112", "51125", "51126", "51132", "51134", "51169", "51205"), "reduce_only"),
    "51109": "not_fillable",
    **dict.fromkeys(("51021", "51022", "51027", "51028", "51029", "51030", "51110", "51124", "51404", "51508"),
                    "market_closed"),
    **dict.fromkeys(("50007", "50009", "50012", "50027", "50028", "50030", "50120", "51009", "51010", "51024", "51155",
                     "54094", "54109", "60029"), "permission"),
    "50110": "address",
    **dict.fromkeys(("51011", "51016"), "duplicate"),
    **dict.fromkeys(("51400", "51503", NO_SUCH_ORDER), "unknown_order"),
    **dict.fromkeys(("51401", "51402", UNDER_WAY, "51509", "51510"), "already_final"),
    **dict.fromkeys(("51025", "51102", "51117", "51174", "51260", "51261", "51262", "51263"), "too_many_orders"),
    **dict.fromkeys(("51133", "51139", "51403", "51506", "50038"), "unsupported"),
    **dict.fromkeys(("51001", "51002", "51012", "51014", "51015", "51026"), "instrument"),
    **dict.fromkeys(("59000", "59002"), "position_mode"),
    **dict.fromkeys(("51000", "50002", "50014", "50015", "50016", "50024", "51003", "51111", "51204", "51257", "51407",
                     "51500"), "parameter"),
}  # fmt: skip
"""sCode -> one of `model.order.REASONS`. 51400 and 51503 say that an order is gone or never was: which, stays open."""

# Of 51000 the text names the parameter, and no code of its own does: "Parameter posSide error".
_PARAMETER = re.compile(r"Parameter (\w+)", re.ASCII)
_PARAMETER_REASON: Mapping[str, str] = {"posSide": "position_mode", "px": "tick", "sz": "lot", "instId": "instrument"}

CODE_OF: Mapping[str, tuple[str, str]] = {
    "balance": ("51008", "Order failed. Insufficient balance in account"),
    "margin": ("51008", "Order failed. Insufficient margin in account"),
    "min_size": ("51020", "Your order should meet or exceed the minimum order amount."),
    "min_notional": ("51020", "Your order should meet or exceed the minimum order amount."),
    "max_size": ("51202", "Market order amount exceeds the maximum amount."),
    "tick": ("51000", "Parameter px error"),
    "lot": ("51121", "Order quantity must be a multiple of the lot size."),
    "price_band": ("51006", "Order price is not within the price limit"),
    "would_cross": ("51511", "The order price does not meet the requirement for Post Only"),
    "would_trigger": ("51280", "SL trigger price cannot be higher than the last price"),
    "reduce_only": ("51169", "You don't have any positions in this direction in the current contract to reduce."),
    "not_fillable": ("51109", "No available offer"),
    "market_closed": ("51022", "Contract suspended"),
    "permission": ("50120", "This API key doesn't have permission to use this function"),
    "address": ("50110", "Your IP is not included in your API key's IP whitelist"),
    "duplicate": ("51016", "Duplicated client order ID"),
    "unknown_order": ("51400", "Cancellation failed as the order has been filled, canceled or does not exist"),
    "already_final": ("51400", "Cancellation failed as the order has been filled, canceled or does not exist"),
    "too_many_orders": ("51025", "Order count exceeds the limit"),
    "unsupported": ("51506", "Order modification unavailable for the order type"),
    "instrument": ("51001", "Instrument ID does not exist"),
    "position_mode": ("51000", "Parameter posSide error"),
    "parameter": ("51000", "Parameter error"),
    "other": ("51000", "Parameter error"),
}
"""A reason -> what OKX says of it, for the paper exchange."""


def order_refusal(code: str, text: str, what: str, *, acting: bool = True, derivative: bool = False) -> TapelineError:
    """What a code means of `what` was asked; `acting`: it was to change something, so that not to know matters."""
    message = f"okx {what}: {code} {text}"
    if code in UNKNOWN and acting:
        return OutcomeUnknown(message)
    if code == "50036":  # expTime lay in the past already
        return ClockWrong(message)
    if code == "51113":
        return RateLimited(message, after_s=LIMITED_S)
    general = refusal(code, message)
    if isinstance(general, Retry) or (isinstance(general, AuthenticationRefused) and code not in REASON_OF):
        return general
    return OrderRefused(message, code=code, reason=reason(code, text, derivative=derivative))


def reason(code: str, text: str = "", *, derivative: bool = False) -> str:
    """Why, of `model.order.REASONS`."""
    if code == "51000":
        named = _PARAMETER.search(text)
        return _PARAMETER_REASON.get(named.group(1), "parameter") if named is not None else "parameter"
    found = REASON_OF.get(code, "other")
    return "margin" if derivative and found == "balance" else found


def code_of_reason(why: str) -> str:
    """The code that says this reason."""
    return CODE_OF.get(why, CODE_OF["other"])[0]


def code_of(error: Exception) -> tuple[str, str]:
    """What OKX would say of an error of ours: its code and its words."""
    if isinstance(error, OrderRefused):
        code, text = CODE_OF.get(error.reason, CODE_OF["other"])
        said = str(error)
        return (error.code, said) if error.code.isdigit() else (code, f"{text} ({said})" if said else text)
    if isinstance(error, Refused):
        unsaid = "60011" if isinstance(error, AuthenticationRefused) else "51000"
        return (error.code if error.code.isdigit() else unsaid), str(error)
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (RateLimited, "50011"), (ClockWrong, "50102"), (OutcomeUnknown, "50004"), (Retry, "50013"),
    )  # fmt: skip
    return next((code for kind, code in kinds if isinstance(error, kind)), "51000"), str(error)
