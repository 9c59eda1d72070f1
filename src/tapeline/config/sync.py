"""The settings of modes: how data come, and when polling takes a stream's place."""

from typing import Annotated

from msgspec import Meta

from tapeline.config.kinds import Count, Mode, Seconds, Settings

# How data come: for everything, a venue or a stream; what is left out comes from the level above.
ModeSetting = Annotated[
    Mode | None,
    Meta(
        description="`websocket` streams, `polling` asks by REST as bars close, `hybrid` streams and polls while the "
        "stream is in trouble, `auto` does so too and leaves a stream that fails again and again alone for longer each "
        "time. Left out everywhere: `auto`."
    ),
]
SourceSetting = Annotated[
    Mode | None, Meta(description="Another name of `mode`; to give both and not the same is an error.")
]
WebsocketSetting = Annotated[
    bool | None,
    Meta(description="`false` says `mode` `polling`; to ask for another mode beside it is an error."),
]
FallbackSetting = Annotated[
    bool | None,
    Meta(description="Whether `hybrid` and `auto` may poll while the stream is in trouble. Left out: they may."),
]


class SyncConfig(Settings, frozen=True, kw_only=True):
    """When `hybrid` and `auto` poll in place of a stream, and when they come back to it."""

    failures: Annotated[
        Count,
        Meta(
            description="Failed dials, cuts or lost subscriptions in a row after which an instrument is polled.",
            extra={"unit": "failures"},
        ),
    ] = 3
    silence_s: Annotated[
        Seconds, Meta(description="Silence of a stream in trouble after which its instrument is polled.")
    ] = 60.0
    cooldown_s: Annotated[
        Seconds,
        Meta(description="How long it is polled at least, before its stream is tried again and trusted."),
    ] = 300.0
    steady_s: Annotated[Seconds, Meta(description="How long a stream on trial has to deliver before polling ends.")] = (
        30.0
    )
    polling_interval_s: Annotated[
        Seconds,
        Meta(
            description="Pause between two rounds of polling trades; longer by itself where the venue's limits ask for "
            "it. Bars are polled as they close."
        ),
    ] = 10.0
