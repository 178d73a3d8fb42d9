"""Make what an operator publishes, so that machines can install the agent and know what they get.

python scripts/release.py https://get.example.com [DIRECTORY]

writes `install-agent.sh` into the directory (`dist`), and the archive that it fetches from that
address: the wheel, and a lock that pins it and everything it needs by hash. The same commit makes
the same files, bit for bit.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import buildd

ROOT = Path(__file__).resolve().parent.parent
LOCK = "requirements-agent.txt"
INSTALLER = "install-agent.sh"
_EPOCH = 1_577_836_800
"""The time of all files in what is made: any moment does, if it is always the same."""


def main() -> None:
    """Build, pack, and fill in the installer."""
    address, *rest = sys.argv[1:] or [""]
    if not address.startswith("https://"):
        raise SystemExit((__doc__ or "").split("\n\n")[1])
    target = Path(*rest or ["dist"])
    target.mkdir(parents=True, exist_ok=True)
    (name, wheel), version = _wheel(), buildd.__version__
    lock = (ROOT / "requirements" / "run.txt").read_text()
    lock += f"buildd=={version} \\\n    --hash=sha256:{_digest(wheel)}\n"
    archive = _packed({name: wheel, LOCK: lock.encode()})
    (target / f"buildd-agent-{version}.tar.gz").write_bytes(archive)
    (target / INSTALLER).write_text(installer(version, _digest(archive), address.rstrip("/")))
    made = (target / INSTALLER).read_bytes()
    print(f"{_digest(made)}  {target / INSTALLER}")


def installer(version: str, sha256: str, address: str) -> str:
    """The script that installs the archive with that digest from that address."""
    text = (ROOT / "scripts" / INSTALLER).read_text()
    for name, value in {"@VERSION@": version, "@SHA256@": sha256, "@FROM@": address}.items():
        if text.count(name) != 1 or "'" in value:
            raise SystemExit(f"{INSTALLER} cannot have {value!r} for {name}")
        text = text.replace(name, value)
    return text


def _wheel() -> tuple[str, bytes]:
    """The wheel's name and content."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory],
            cwd=ROOT,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(_EPOCH)},
            check=True,
            stderr=subprocess.DEVNULL,
        )
        [made] = Path(directory).iterdir()
        return made.name, made.read_bytes()


def _packed(files: dict[str, bytes]) -> bytes:
    """A tar archive of files, without the traces of who made it and when."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), _EPOCH
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
