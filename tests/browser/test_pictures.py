"""The pictures of the docs can be taken anew: one of them is, of the whole office."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.pictures.__main__ import main

pytestmark = pytest.mark.real
WIDTH, HEIGHT = 360, 740
MOST = 150_000


def test_a_picture_can_be_taken_anew(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["board-narrow", "--into", str(tmp_path)])
    assert ran.exception is None, ran.output
    [picture] = tmp_path.iterdir()
    assert picture.name == "board-narrow.png"
    assert struct.unpack_from(">II", picture.read_bytes(), 16) == (WIDTH, HEIGHT)
    assert picture.stat().st_size < MOST
