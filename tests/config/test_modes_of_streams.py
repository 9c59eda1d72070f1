"""Which mode holds for a stream, who said so, and what contradicts itself."""

import tomllib
from typing import Any, get_args

import pytest

from tapeline.config import Modes, mode_for
from tapeline.config.kinds import Mode
from tapeline.config.levels import faults
from tapeline.config.tree import Config
from tapeline.config.walk import decode
from tapeline.sync import mode as machine

STREAM = '\n[[stream]]\nvenue = "zeta"\nsymbols = ["A/B"]\nchannels = ["trades"]\n'


def read(text: str) -> tuple[Config, Any]:
    config, findings = decode(tomllib.loads(text), Config)
    assert config is not None, findings.faults
    return config, findings.origins


def mode(everything: str, venue: str, stream: str) -> Modes:
    config, origins = read(f"{everything}\n[venue.zeta]\n{venue}\n{STREAM}{stream}\n")
    assert list(faults(config)) == []
    return mode_for(config, config.stream[0], origins)


def test_configuration_and_machine_know_the_same_modes() -> None:
    assert get_args(Mode) == machine.MODES


@pytest.mark.parametrize(
    ("everything", "venue", "stream", "expected"),
    [
        ("", "", "", Modes("auto", "default", True, "default")),
        ('mode = "hybrid"', "", "", Modes("hybrid", "mode: file", True, "default")),
        ('mode = "hybrid"', 'mode = "polling"', "", Modes("polling", "[venue.zeta] mode: file", True, "default")),
        ('mode = "hybrid"', 'mode = "polling"', 'mode = "websocket"',
         Modes("websocket", "[stream[0]] mode: file", True, "default")),
        ('mode = "polling"', "", 'realtime_source = "hybrid"',
         Modes("hybrid", "[stream[0]] realtime_source: file", True, "default")),
        ('mode = "hybrid"', "", "enable_websocket = false",
         Modes("polling", "[stream[0]] enable_websocket: file", True, "default")),
        ("enable_websocket = true", "", "", Modes("auto", "default", True, "default")),
        ("fallback_to_polling = false", "", 'mode = "hybrid"',
         Modes("hybrid", "[stream[0]] mode: file", False, "fallback_to_polling: file")),
        ("fallback_to_polling = false", "fallback_to_polling = true", "",
         Modes("auto", "default", True, "[venue.zeta] fallback_to_polling: file")),
        ('mode = "polling"\nrealtime_source = "polling"\nenable_websocket = false', "", "",
         Modes("polling", "mode: file", True, "default")),
    ],
)  # fmt: skip
def test_the_nearest_level_that_says_a_mode_decides(
    everything: str, venue: str, stream: str, expected: Modes
) -> None:  # fmt: skip
    assert mode(everything, venue, stream) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('mode = "hybrid"\nrealtime_source = "polling"',
         "realtime_source (polling) is another name of mode (hybrid): give one"),
        ('mode = "auto"\nenable_websocket = false',
         "enable_websocket = false says polling, mode says auto: give one of them"),
        ('realtime_source = "websocket"\nenable_websocket = false',
         "enable_websocket = false says polling, realtime_source says websocket: give one of them"),
        ('mode = "polling"\nenable_websocket = true',
         "enable_websocket = true and mode = polling contradict each other: give one of them"),
        ('mode = "websocket"\nfallback_to_polling = true',
         "fallback_to_polling = true means something with hybrid and auto, not with mode = websocket"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["", "venue.zeta.", "stream[0]."])
def test_a_level_that_contradicts_itself(text: str, fault: str, where: str) -> None:
    tables = {"": f"{text}\n{STREAM}", "venue.zeta.": f"[venue.zeta]\n{text}\n{STREAM}", "stream[0].": STREAM + text}
    config, _ = read(tables[where])
    assert list(faults(config)) == [where + fault]


def test_a_stream_that_is_not_of_the_configuration_still_has_a_mode() -> None:
    config, _ = read(STREAM + 'mode = "polling"')
    stranger, _ = read(STREAM + 'mode = "hybrid"')
    assert mode_for(config, stranger.stream[0]) == Modes("hybrid", "[stream] mode", True, "default")


def test_the_words_are_checked_like_all() -> None:
    _, findings = decode(tomllib.loads(STREAM + 'mode = "websockets"'), Config)
    (fault,) = findings.faults
    assert "'websockets' is none of websocket, polling, hybrid, auto, did you mean websocket?" in fault
