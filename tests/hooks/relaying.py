"""A server of which only the relay matters, in a hurry: to be killed while it sends."""

from __future__ import annotations

import sys

from buildd.broker import Broker, BrokerSettings
from buildd.broker.relay import HookSender, RelayPace
from buildd.destinations import Reach
from buildd.outbound import Outbound

PACE = RelayPace(tick=0.1, send=0.3, lease=1.0, first=0.05, longest=0.2, attempts=1000)


def relaying(database: str) -> Broker:
    """An open broker that calls hooks on this machine."""
    sender = HookSender(Outbound(Reach.of(["127.0.0.0/8"])).post)
    return Broker.open(database, BrokerSettings(senders=(sender,), relay_pace=PACE))


if __name__ == "__main__":
    broker = relaying(sys.argv[1])
    sys.stdin.read()  # until whoever started it ends
    broker.close()
