"""PNG by hand: a picture that an agent might have taken, and pictures of pages in a third of their bytes.

Pages have few colours: 256 of them in a palette look the same.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""
Colour = tuple[int, int, int]
COLOURS = 256
_ALIKE = 60
"""A distance, squared, that nobody sees."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_OF_PALETTE = 3
_CHANNELS = {2: 3, 6: 4}
_WIDTH, _HEIGHT = 720, 400
_PAINTS = "ffffff f3f5f5 d9dfde 5c6b68 16201e 0b6e50 e0f2eb fdf0dc 8a4b00"
_WHITE, _GROUND, _LINE, _SOFT, _DARK, _GREEN, _TINT, _WARM, _BROWN = range(9)


def checkout() -> bytes:
    """The checkout of a shop: an order with its lines, its tax and a button."""
    boxes: list[tuple[Box, int]] = [((0, 0, _WIDTH, 56), _DARK), ((32, 20, 130, 36), _GREEN)]
    boxes += [((left, 22, left + 56, 34), _SOFT) for left in (480, 556, 632)]
    boxes += [((32, 84, 456, 368), _WHITE), ((480, 84, 688, 368), _WHITE)]
    for row, width in enumerate((190, 150, 220)):
        top = 104 + row * 72
        boxes += [((52, top, 104, top + 52), _TINT), ((66, top + 14, 90, top + 38), _GREEN)]
        boxes += [((124, top + 10, 124 + width, top + 22), _DARK)]
        boxes += [((124, top + 32, 124 + width // 2, top + 40), _LINE)]
        boxes += [((386, top + 18, 436, top + 32), _SOFT), ((52, top + 62, 436, top + 63), _LINE)]
    for row, width in enumerate((64, 88, 72)):
        top = 112 + row * 30
        boxes += [((500, top, 500 + width, top + 10), _SOFT), ((626, top, 668, top + 10), _DARK)]
    boxes += [((500, 206, 668, 252), _WARM), ((514, 222, 640, 234), _BROWN)]
    boxes += [((500, 276, 560, 292), _DARK), ((604, 276, 668, 292), _DARK)]
    return _painted([*boxes, ((500, 316, 668, 348), _GREEN), ((548, 328, 620, 336), _WHITE)])


def _painted(boxes: Sequence[tuple[Box, int]]) -> bytes:
    rows = [bytearray([_GROUND] * _WIDTH) for _ in range(_HEIGHT)]
    for (left, top, right, bottom), colour in boxes:
        for row in rows[top:bottom]:
            row[left:right] = bytes([colour]) * (right - left)
    return _written(rows, bytes.fromhex(_PAINTS))


def shrunk(png: bytes) -> bytes:
    """A browser's screenshot with a palette; colours that are not in it become the nearest."""
    width, channels, data = _read(png)
    rows = [
        [(row[at], row[at + 1], row[at + 2]) for at in range(0, width * channels, channels)]
        for row in _unfiltered(data, width * channels, channels)
    ]
    frequent = Counter(colour for row in rows for colour in row)
    palette = _palette(colour for colour, _ in frequent.most_common())
    index = {colour: _nearest(colour, palette) for colour in frequent}
    paints = bytes(part for colour in palette for part in colour)
    return _written([bytes(index[colour] for colour in row) for row in rows], paints)


def _palette(frequent: Iterable[Colour]) -> list[Colour]:
    """The most frequent colours, without what looks like another one: so a rare hue has its place."""
    palette: list[Colour] = []
    for colour in frequent:
        if len(palette) < COLOURS and all(_apart(colour, each) > _ALIKE for each in palette):
            palette.append(colour)
    return palette


def _nearest(colour: Colour, palette: Sequence[Colour]) -> int:
    return min(range(len(palette)), key=lambda index: _apart(colour, palette[index]))


def _apart(one: Colour, other: Colour) -> int:
    red, green, blue = one[0] - other[0], one[1] - other[1], one[2] - other[2]
    return red * red + green * green + blue * blue


def _read(png: bytes) -> tuple[int, int, bytes]:
    """Width, channels, and the rows as they are filtered."""
    at, data = len(_SIGNATURE), b""
    width, _, depth, kind = struct.unpack_from(">IIBB", png, at + 8)
    assert depth == 8, "eight bits are what a browser writes"
    while at < len(png):
        size, name = struct.unpack_from(">I4s", png, at)
        if name == b"IDAT":
            data += png[at + 8 : at + 8 + size]
        at += size + 12
    return width, _CHANNELS[kind], zlib.decompress(data)


def _unfiltered(data: bytes, stride: int, step: int) -> Iterator[bytes]:
    """Each row as it looks: in the data a byte is told as what differs from those beside and above it."""
    above = bytes(stride)
    for at in range(0, len(data), stride + 1):
        row = bytearray(data[at + 1 : at + 1 + stride])
        guess = _GUESSES[data[at]]
        for here in range(stride if data[at] else 0):
            left, corner = (row[here - step], above[here - step]) if here >= step else (0, 0)
            row[here] = (row[here] + guess(left, above[here], corner)) & 255
        yield (above := bytes(row))


def _paeth(left: int, up: int, corner: int) -> int:
    """Whichever of the three is nearest to left + up - corner."""
    to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    if to_left <= to_up and to_left <= to_corner:
        return left
    return up if to_up <= to_corner else corner


_GUESSES: tuple[Callable[[int, int, int], int], ...] = (
    lambda _left, _up, _corner: 0,
    lambda left, _up, _corner: left,
    lambda _left, up, _corner: up,
    lambda left, up, _corner: (left + up) // 2,
    _paeth,
)


def _written(rows: Sequence[bytes | bytearray], palette: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, _OF_PALETTE, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    parts = ((b"IHDR", head), (b"PLTE", palette), (b"IDAT", pixels), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
