"""The dispatcher: brings the agents that there are to those that there should be, wherever they live.

It is a reconciler. `plan` writes down which launches are wanted and which no longer are; each turn of
a launch (`turns`) is one call of its runner (`acts`), whose outcome is written down again. It keeps
nothing in memory that matters, so any number of servers may do this on one database, and any of them
may die in the middle of a call.
"""

from buildd.broker.dispatch.acts import Means
from buildd.broker.dispatch.dispatcher import Dispatcher
from buildd.broker.dispatch.pace import Pace

__all__ = ["Dispatcher", "Means", "Pace"]
