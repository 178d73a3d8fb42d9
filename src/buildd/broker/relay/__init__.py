"""The relay: tells others, over the network, what happened here. The table of events is its outbox.

For each sender, one pass turns the events after its cursor into rows of the table `delivery`; turns of
these are taken and sent, again and again until they are taken or given up. Both are safe in any number
of servers at once, and nothing that matters is in memory, so what one of them leaves behind when it
dies, another one sends. Every delivery is made at least once, under one id; no order is promised.

To have it tell somebody new, write a `Sender`: a class with a `kind` of its own (one more `TargetKind`,
which the CHECK of the table `delivery` lists) and the four methods of `senders.Sender`. It says which
events since when it wants, what is to be told of them to whom, and how that is sent. Queueing, leases,
retries, the end after too many of them, and forgetting are done here. Hand it to the broker in
`BrokerSettings.senders`; a broker that lacks a sender leaves what is its to others. An event type that
no sender wanted so far goes into `buildd.store.sql.deliveries.RELAYED`.
"""

from buildd.broker.relay.hooks import HookSender
from buildd.broker.relay.pace import RelayPace
from buildd.broker.relay.relay import Relay
from buildd.broker.relay.senders import Answer, Draft, Send, Sender

__all__ = ["Answer", "Draft", "HookSender", "Relay", "RelayPace", "Send", "Sender"]
