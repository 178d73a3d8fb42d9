"""A TCP proxy on loopback whose connections can be cut, truncated or held up."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

_CHUNK = 65536


class Proxy:
    """Passes connections on to a port of this machine."""

    def __init__(self, target: int, port: int = 0) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._left: int | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Reset every connection."""
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def cut_after(self, count: int) -> None:
        """Reset every connection once so many more bytes have passed, in the middle of whatever it is."""
        self._left = count

    def hold(self) -> None:
        """Let nothing pass, and close nothing: the peer seems to have vanished."""
        self._flowing.clear()

    def flow(self) -> None:
        """Let everything pass again."""
        self._left = None
        self._flowing.set()

    def close(self) -> None:
        """Stop for good."""
        self._listener.close()
        self.flow()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                near.close()  # as a host answers that has no server
                continue
            far.settimeout(None)
            with self._lock:
                self._open |= {near, far}
            threading.Thread(target=self._pass, args=(near, far), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flowing.wait()
                left = self._left
                if left is not None:
                    sink.sendall(data[:left])
                    self._left = max(0, left - len(data))
                    if self._left == 0:
                        self._left = None
                        self.cut()
                        break
                else:
                    sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open -= {source, sink}
        source.close()
