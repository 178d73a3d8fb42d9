"""A picture that an agent might have taken: the checkout of a shop, painted here, in few bytes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""
WIDTH, HEIGHT = 720, 400
PALETTE = bytes.fromhex(
    "ffffff f3f5f5 d9dfde 5c6b68 16201e 0b6e50 e0f2eb fdf0dc 8a4b00".replace(" ", "")
)
WHITE, GROUND, LINE, SOFT, DARK, GREEN, TINT, WARM, BROWN = range(9)


def checkout() -> bytes:
    """An order with its lines, its tax and a button."""
    boxes: list[tuple[Box, int]] = [((0, 0, WIDTH, 56), DARK), ((32, 20, 130, 36), GREEN)]
    boxes += [((left, 22, left + 56, 34), SOFT) for left in (480, 556, 632)]
    boxes += [((32, 84, 456, 368), WHITE), ((480, 84, 688, 368), WHITE)]
    for row, width in enumerate((190, 150, 220)):
        top = 104 + row * 72
        boxes += [((52, top, 104, top + 52), TINT), ((66, top + 14, 90, top + 38), GREEN)]
        boxes += [((124, top + 10, 124 + width, top + 22), DARK)]
        boxes += [((124, top + 32, 124 + width // 2, top + 40), LINE)]
        boxes += [((386, top + 18, 436, top + 32), SOFT), ((52, top + 62, 436, top + 63), LINE)]
    for row, width in enumerate((64, 88, 72)):
        top = 112 + row * 30
        boxes += [((500, top, 500 + width, top + 10), SOFT), ((626, top, 668, top + 10), DARK)]
    boxes += [((500, 206, 668, 252), WARM), ((514, 222, 640, 234), BROWN)]
    boxes += [((500, 276, 560, 292), DARK), ((604, 276, 668, 292), DARK)]
    return _png([*boxes, ((500, 316, 668, 348), GREEN), ((548, 328, 620, 336), WHITE)])


def _png(boxes: Sequence[tuple[Box, int]]) -> bytes:
    rows = [bytearray([GROUND] * WIDTH) for _ in range(HEIGHT)]
    for (left, top, right, bottom), colour in boxes:
        for row in rows[top:bottom]:
            row[left:right] = bytes([colour]) * (right - left)
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    parts = ((b"IHDR", head), (b"PLTE", PALETTE), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
