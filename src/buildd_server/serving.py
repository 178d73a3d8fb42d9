"""Running the app: uvicorn with our own start, signals and end, and a broker opened around it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import threading
from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import cast

import uvicorn
from pydantic import JsonValue
from starlette.applications import Starlette

from buildd import errors, plugins, tracing
from buildd.agent import notify
from buildd.broker import Broker, BrokerSettings, Means
from buildd.broker.github_source import CommentSender
from buildd.broker.relay import HookSender, Sender
from buildd.outbound import Outbound
from buildd.roles import Commenter, Forge, Runner
from buildd_server import local_mode, logs
from buildd_server.app import create_app
from buildd_server.connections import Connection, Waiting, allow_files
from buildd_server.listening import listen, shown, sole_server
from buildd_server.observing import observed
from buildd_server.settings import GITHUB_SETTINGS, Settings

KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep an idle connection, so that none of them reuses one as it closes."""
GRACE_SECONDS = 1
"""How long a stop waits for requests under way; the broker finishes their writes by itself."""
_ACTIONS = "github_actions"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is listened on already
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

log = logging.getLogger("buildd.server")


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. Raises the `BuilddError` that keeps it from starting."""
    access_log = logs.set_up(settings)
    allow_files()
    with contextlib.ExitStack() as held:
        sockets = listen(settings.host, settings.port)
        for each in sockets:
            held.enter_context(each)
        held.enter_context(sole_server(settings.database))
        held.callback(tracing.set_up("buildd-server", settings.environ))
        registry = plugins.load()
        broker = held.enter_context(contextlib.closing(_open(settings, registry, sockets[0])))
        held.enter_context(observed(broker, registry.observers))
        local = _admission(settings, broker)

        def announce() -> None:
            say(f"buildd listens on {_address(sockets[0])} (database {shown(settings.database)})")
            if local:
                log.warning(local_mode.WARNING)

        app = create_app(broker, settings, access_log)
        # What stands by now stays: nothing is found by looking it through again and again.
        gc.collect()
        gc.freeze()
        Server(app, announce).run(sockets)


class Server(uvicorn.Server):
    """Uvicorn that ends open streams first, and returns after a signal instead of dying of it."""

    def __init__(self, app: Starlette, announce: Callable[[], None] = lambda: None) -> None:
        self._app = app
        self._announce = announce
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                # It calls it as it calls a class.
                http=cast("type[asyncio.Protocol]", partial(Connection, Waiting())),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self.started:
            # What shows that the loop turns shows all that a restart could mend.
            self._fed = asyncio.create_task(notify.feed(lambda: asyncio.sleep(0)))
            self._announce()
            notify.tell("READY=1")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what waits for clients, then let uvicorn wait for the rest."""
        notify.tell("STOPPING=1")
        self._fed.cancel()
        self._app.state.shutdown.begin()
        asyncio.get_running_loop().call_later(GRACE_SECONDS / 2, self._hang_up)
        await super().shutdown(sockets)

    def _hang_up(self) -> None:
        """Close connections whose client is not done with its request: nothing of that was done."""
        for connection in self.server_state.connections:
            assert isinstance(connection, Connection)
            if connection.cycle is not None and connection.cycle.more_body:
                connection.transport.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop at a signal; uvicorn itself would die of it before the broker is closed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self.handle_exit) for each in _SIGNALS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def _open(settings: Settings, registry: plugins.Registry, listener: socket.socket) -> Broker:
    forge = _forge(settings, registry)
    return Broker.open(
        settings.database,
        BrokerSettings(
            lease=settings.lease,
            secret=settings.secret,
            admin_key=settings.admin_key,
            retention=settings.retention,
            blobs=settings.blobs,
            file_limits=settings.file_limits,
            forge=forge,
            public_url=settings.public_url,
            means=_means(settings, registry, listener),
            senders=_senders(settings, forge),
        ),
    )


def _senders(settings: Settings, forge: Forge | None) -> tuple[Sender, ...]:
    hooks = HookSender(Outbound(settings.reach).post)
    return (hooks, CommentSender(forge)) if isinstance(forge, Commenter) else (hooks,)


def _means(settings: Settings, registry: plugins.Registry, listener: socket.socket) -> Means:
    def runner(name: str, config: Mapping[str, JsonValue]) -> Runner:
        if name != _ACTIONS:
            return registry.runners.make(name, config)
        # The server's own credentials serve its pools too. A pool would show those that it had, and
        # could have the server's sent anywhere.
        for setting in config.keys() & GITHUB_SETTINGS:
            raise errors.ConfigError(
                f"config.{setting}: set BUILDD_GITHUB_{setting.upper()} in the server's environment"
            )
        return registry.runners.make(name, {**settings.github, **config})

    return Means(
        runners=runner,
        address=settings.public_url or _address(listener, to_connect=True),
        environ=settings.environ,
        prefer=registry.prefer if registry.preferences else None,
    )


def _forge(settings: Settings, registry: plugins.Registry) -> Forge | None:
    return registry.forges.make("github", dict(settings.github)) if settings.github else None


def _admission(settings: Settings, broker: Broker) -> bool:
    """Whether it runs in local mode. Raises `ConfigError` if it would be open to a network."""
    if settings.admin_key is not None or broker.has_admin_key().result():
        return False
    if not settings.loopback:
        raise errors.ConfigError(
            f"set BUILDD_ADMIN_KEY to listen on {settings.host}, which other machines may reach"
        )
    return True


def _address(listener: socket.socket, *, to_connect: bool = False) -> str:
    """Where it listens; or, to connect to from this machine, an address that exists."""
    host, port = listener.getsockname()[:2]
    if to_connect:
        host = _EVERYWHERE.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
