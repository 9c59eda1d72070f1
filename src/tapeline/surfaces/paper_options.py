"""What the command line says of a paper exchange, as its settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tapeline.errors import BadData, ConfigError
from tapeline.model.number import number
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.paper.keys import Key, balances_of, keys_of
from tapeline.trading.paper.admission import Rules
from tapeline.trading.paper.fees import Fees

KEEP_NS = 7 * 86_400_000_000_000  # what is over: an exchange that serves for weeks does not grow with it
RICH = "USDT=100000,BTC=1"  # what accounts begin with where nothing is said


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOptions:
    """Options of `serve-venue` that need `--paper`."""

    paper: Annotated[bool, Parameter(negative=(), help="Take orders: a paper exchange with accounts.")] = False
    key: Annotated[str, Parameter(help="API key of the one account.")] = ""
    secret: Annotated[str, Parameter(help="Its secret; on the command line everybody on this machine can read it.")] = (
        ""
    )
    passphrase: Annotated[str, Parameter(help="Its passphrase, at venues that have one.")] = ""
    keys: Annotated[Path | None, Parameter(help="A JSON file with keys of several accounts, instead.")] = None
    balance: Annotated[str, Parameter(help="What each account begins with: CURRENCY=AMOUNT,...")] = RICH
    fees: Annotated[str, Parameter(help="Fractions for makers and takers: MAKER,TAKER.")] = "0.001,0.001"
    leverage: Annotated[str, Parameter(help="Leverage on derivatives where an account has chosen none.")] = "20"
    tls: Annotated[bool, Parameter(negative=(), help="Speak TLS, with a certificate made now; `ca` says where.")] = (
        False
    )

    def settings(self) -> PaperSettings | None:
        """None without `--paper`. Raises ConfigError."""
        if not self.paper:
            if self.key or self.secret or self.keys:
                raise ConfigError("--key, --secret and --keys belong to --paper")
            return None
        maker, _, taker = self.fees.partition(",")
        fees = Fees(maker=_number("--fees", maker), taker=_number("--fees", taker or maker))
        if max(abs(fees.maker), abs(fees.taker)) >= 1:
            raise ConfigError(f"--fees {self.fees}: they are fractions, a tenth of a percent is 0.001")
        rules = Rules(leverage=_number("--leverage", self.leverage))
        if rules.leverage < 1:
            raise ConfigError(f"--leverage {self.leverage} is under 1")
        return PaperSettings(
            keys=self._keys(), balances=balances_of(self.balance), fees=fees, rules=rules, keep_ns=KEEP_NS
        )  # fmt: skip

    def _keys(self) -> Sequence[Key]:
        if self.keys is not None:
            if self.key or self.secret:
                raise ConfigError("say either --keys FILE, or --key and --secret")
            return keys_of(self.keys)
        if not self.key or not self.secret:
            raise ConfigError("a paper exchange needs --key and --secret, or --keys FILE")
        return [Key(key=self.key, secret=self.secret, passphrase=self.passphrase, account="paper")]


def _number(option: str, text: str) -> Decimal:
    try:
        found = number(text.strip())
    except BadData as error:
        raise ConfigError(f"{option}: {error}") from error
    if found is None:
        raise ConfigError(f"{option} needs a number")
    return found
