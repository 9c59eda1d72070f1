"""`tapeline health`: every check of a running engine, and how its accounts stand, with or without it."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from tapeline.clock import SystemClock
from tapeline.config import Config
from tapeline.store.latch import HaltLatch, latches
from tapeline.surfaces.cli.status import find_status
from tapeline.surfaces.options import StoreOrConfigured, configured
from tapeline.surfaces.status_view import age
from tapeline.trading.halt import MEANS
from tapeline.watch.heartbeat import age_s, boot_id, last_beat

GOOD, BAD = 0, 1


def health(
    *,
    store: StoreOrConfigured = None,
    config: Annotated[Path | None, Parameter(help="The configuration whose store and accounts are meant.")] = None,
    json: Annotated[bool, Parameter(negative=(), help="Print one JSON object.")] = False,
) -> None:
    """Show whether an instance is well: each check with its value, its threshold, its state and what to do about it.

    A running instance is asked, or its last word is read. How accounts stand is read from their latches, and the
    engine's life from its heartbeat: both are shown though the instance hangs or is gone.

    Exit codes: 0 nothing fails and every account runs; 1 something fails, an account does not run, or the
    instance was killed; 2 bad usage.

    Example: `tapeline health --config trade.toml`
    """
    settings = configured(config, store)
    found = findings(settings)
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines(found))
    sys.exit(GOOD if found["well"] else BAD)


def findings(settings: Config) -> dict[str, Any]:
    """All that is known: `checks`, `alerts`, `accounts`, `heartbeat`, notes of where it comes from, and `well`."""
    clock = SystemClock()
    folder = settings.store.folder
    status: Mapping[str, Any] = {}
    notes: list[str] = []
    heartbeat: dict[str, Any] | None = None
    if folder is not None:
        status, notes = find_status(folder, clock.wall_ns())
        beat = last_beat(folder)
        if beat is not None:
            old_s = age_s(beat, clock, boot_id())
            late = not beat.ended and old_s > settings.watch.watchdog_s
            heartbeat = {
                "pid": beat.pid, "ended": beat.ended, "late": late,
                "age_s": None if old_s == float("inf") else round(old_s, 3),
            }  # fmt: skip
    accounts = _accounts(settings, clock)
    checks, alerts = list(status.get("checks", ())), list(status.get("alerts", ()))
    well = (
        not any(each["state"] == "fail" for each in checks)
        and not alerts
        and all(each["state"] == "running" for each in accounts)
        and not (heartbeat is not None and heartbeat["late"])
        and status.get("state") != "gone"  # killed: nobody streams
    )
    return {
        "well": well,
        "checks": checks,
        "alerts": alerts,
        "accounts": accounts,
        "heartbeat": heartbeat,
        "notes": notes,
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """The same in words, what is wrong first."""
    told = [f"note: {note}" for note in found["notes"]]
    for each in found["accounts"]:
        by = f", by {each['who']}: {each['why']}" if each["who"] else ""
        told.append(f"account {each['account']} ({each['mode']}): {each['state']}, {MEANS[each['state']]}{by}")
    beat = found["heartbeat"]
    if beat is not None:
        old = "before the machine was started anew" if beat["age_s"] is None else f"{age(beat['age_s'])} ago"
        word = "ended in order" if beat["ended"] else "is LATE" if beat["late"] else "lives"
        told.append(f"engine {word}: process {beat['pid']} last said so {old}")
    for each in found["checks"]:
        subject = f" {each['subject']}" if each["subject"] else ""
        todo = f" -> {each['todo']}" if each["todo"] else ""
        limit = f"{each['value']:g} of {each['limit']:g}"
        told.append(f"{each['state']:4} {each['check']}{subject}: {each['text']} ({limit}){todo}")
    told += [f"alert {each['kind']} {each['subject']}: {each['text']}" for each in found["alerts"]]
    if not found["checks"] and not found["alerts"]:
        told.append("no check is known: nothing trades from this store, or it has not begun")
    return told


def _accounts(settings: Config, clock: SystemClock) -> list[dict[str, Any]]:
    """Of the configuration; without any, of every latch there is."""
    named = [(name, each.mode) for name, each in settings.account.items()] or latches(os.environ)
    found = []
    for name, mode in named:
        latch = HaltLatch(name, mode, os.environ, clock).read()
        found.append(
            {"account": name, "mode": mode, "state": latch.state, "who": latch.who, "why": latch.why,
             "at_ns": latch.at_ns}
        )  # fmt: skip
    return found
