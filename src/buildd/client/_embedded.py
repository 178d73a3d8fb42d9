"""The transports to a broker in this process: the same promises as over HTTP, without a server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from buildd import errors
from buildd.blobs import PIECE
from buildd.events import Event, Filter
from buildd.operations import Download, Operation, Upload

if TYPE_CHECKING:
    from buildd.broker import Broker, Origin, Principal

R = TypeVar("R")


class Embedding:
    """A broker and those who wait for its events; closing it ends their waiting.

    `origin` is where its calls come from, if that is not this process.
    """

    def __init__(self, broker: Broker, origin: Origin | None = None) -> None:
        from buildd.broker import HERE

        self._broker = broker
        self.origin = origin or HERE
        self.closed = False
        self._listeners: set[Callable[[], None]] = set()

    @property
    def broker(self) -> Broker:
        """The broker, while it is open."""
        if self.closed:
            raise errors.ConfigError("this client is closed")
        return self._broker

    @contextmanager
    def listening(self, wake: Callable[[], None]) -> Iterator[None]:
        """Have `wake` called when this closes."""
        self._listeners.add(wake)
        try:
            yield
        finally:
            self._listeners.discard(wake)

    def close(self) -> None:
        """Close the broker, and end every iteration over its events."""
        if self.closed:
            return
        self.closed = True
        for wake in tuple(self._listeners):
            wake()
        self._broker.close()


class EmbeddedTransport:
    """Carries operations to a broker in this process, as the owner or under a key."""

    def __init__(self, embedding: Embedding, key: str | None = None, *, owns: bool = False) -> None:
        self.embedding = embedding
        self.key = key
        self._owns = owns

    def send(self, operation: Operation[R]) -> R:
        """Have one operation done. Raises the `buildd.errors` class that the broker raised."""
        embedding = self.embedding
        return embedding.broker.submit(operation, self._principal(), embedding.origin).result()

    def upload(self, upload: Upload[R], content: Iterable[bytes]) -> R:
        """Give a file to the broker, piece by piece."""
        embedding = self.embedding
        received = embedding.broker.receive(upload, self._principal(), origin=embedding.origin)
        with received.result() as reception:
            for data in content:
                reception.write(data)
            return reception.commit()

    def download(self, download: Download) -> Generator[bytes, None, None]:
        """Read a file, piece by piece."""
        with self.embedding.broker.open_file(download, self._principal()).result().open() as file:
            while data := file.read(PIECE):
                yield data

    def events(self, after: int | None, wanted: Filter) -> Generator[Event, None, None]:
        """Events after a `seq`, until the broker is closed."""
        ready = threading.Event()
        with self.embedding.listening(ready.set):
            while not self.embedding.closed:
                feed = self.embedding.broker.subscribe(
                    self._principal(), after, wanted, ready.set
                ).result()
                after = feed.start if after is None else after
                # A reader that fell too far behind is cut off, and reads on from where it stood.
                with closing(feed), suppress(errors.Unavailable):
                    while not self.embedding.closed:
                        ready.clear()
                        for notice in feed.drain():
                            after = notice.event.seq
                            yield notice.event
                        ready.wait()

    def with_key(self, key: str) -> EmbeddedTransport:
        """The same broker with another credential."""
        return EmbeddedTransport(self.embedding, key)

    def close(self) -> None:
        """Close the broker, if this transport opened it."""
        if self._owns:
            self.embedding.close()

    def _principal(self) -> Principal:
        from buildd.broker import ADMIN

        return ADMIN if self.key is None else self.embedding.broker.authenticate(self.key).result()


class AsyncEmbeddedTransport:
    """The same for an event loop, which is never blocked."""

    def __init__(self, embedding: Embedding, key: str | None = None, *, owns: bool = False) -> None:
        self.embedding = embedding
        self.key = key
        self._owns = owns

    async def send(self, operation: Operation[R]) -> R:
        """Have one operation done. Raises the `buildd.errors` class that the broker raised."""
        principal, embedding = await self._principal(), self.embedding
        return await asyncio.wrap_future(
            embedding.broker.submit(operation, principal, embedding.origin)
        )

    async def upload(self, upload: Upload[R], content: AsyncIterable[bytes]) -> R:
        """Give a file to the broker, piece by piece."""
        principal, embedding = await self._principal(), self.embedding
        received = embedding.broker.receive(upload, principal, origin=embedding.origin)
        with await asyncio.wrap_future(received) as reception:
            async for data in content:
                await asyncio.to_thread(reception.write, data)
            return await asyncio.to_thread(reception.commit)

    async def download(self, download: Download) -> AsyncGenerator[bytes, None]:
        """Read a file, piece by piece."""
        principal = await self._principal()
        found = await asyncio.wrap_future(self.embedding.broker.open_file(download, principal))
        with await asyncio.to_thread(found.open) as file:
            while data := await asyncio.to_thread(file.read, PIECE):
                yield data

    async def events(self, after: int | None, wanted: Filter) -> AsyncGenerator[Event, None]:
        """Events after a `seq`, until the broker is closed."""
        ready = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with suppress(RuntimeError):  # The loop is over, and so is the listening.
                loop.call_soon_threadsafe(ready.set)

        with self.embedding.listening(wake):
            while not self.embedding.closed:
                principal = await self._principal()
                feed = await asyncio.wrap_future(
                    self.embedding.broker.subscribe(principal, after, wanted, wake)
                )
                after = feed.start if after is None else after
                # A reader that fell too far behind is cut off, and reads on from where it stood.
                with closing(feed), suppress(errors.Unavailable):
                    while not self.embedding.closed:
                        ready.clear()
                        for notice in feed.drain():
                            after = notice.event.seq
                            yield notice.event
                        await ready.wait()

    def with_key(self, key: str) -> AsyncEmbeddedTransport:
        """The same broker with another credential."""
        return AsyncEmbeddedTransport(self.embedding, key)

    async def aclose(self) -> None:
        """Close the broker, if this transport opened it."""
        if self._owns:
            await asyncio.to_thread(self.embedding.close)

    async def _principal(self) -> Principal:
        from buildd.broker import ADMIN

        if self.key is None:
            return ADMIN
        return await asyncio.wrap_future(self.embedding.broker.authenticate(self.key))
