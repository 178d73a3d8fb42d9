"""What `curl … | bash` runs: it installs what its digest says, once, or nothing at all."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "install-agent.sh"


@pytest.fixture(scope="module")
def release() -> ModuleType:
    """scripts/release.py."""
    spec = importlib.util.spec_from_file_location("release", ROOT / "scripts" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wheel(version: str) -> bytes:
    """A package of that name which says its version and needs nothing."""
    info = f"buildd-{version}.dist-info"
    files = {
        "buildd_says.py": f"def main():\n    print('agent {version}')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: buildd\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\n"
        "buildd = buildd_says:main\nbuildd-agent = buildd_says:main\n",
    }
    listed = [f"{name},{_sum(text)},{len(text)}" for name, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*listed, f"{info}/RECORD,,\n"])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


def _sum(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class Machine:
    """A home on a machine, and what was published for it."""

    home: Path
    published: Path
    release: ModuleType

    def publish(self, version: str, *, locked: bytes | None = None) -> str:
        """Put an archive there; the text of its installer."""
        content = wheel(version)
        digest = hashlib.sha256(content if locked is None else locked).hexdigest()
        lock = f"buildd=={version} --hash=sha256:{digest}\n"
        archive = self.release._packed(
            {f"buildd-{version}-py3-none-any.whl": content, self.release.LOCK: lock.encode()}
        )
        self.archive(version).write_bytes(archive)
        sha256 = hashlib.sha256(archive).hexdigest()
        return str(self.release.installer(version, sha256, str(self.published)))

    def archive(self, version: str) -> Path:
        return self.published / f"buildd-agent-{version}.tar.gz"

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """As `curl … | bash -s -- ARGUMENTS` does."""
        environment = {
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(self.home / "tmp"),
            "PIP_NO_INDEX": "1",
        }
        return subprocess.run(
            ["bash", "-s", "--", *arguments],
            input=script,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def says(self) -> str:
        agent = self.home / ".local" / "bin" / "buildd-agent"
        return subprocess.run([agent], capture_output=True, text=True, check=True).stdout

    def untouched(self) -> bool:
        return [*self.home.rglob("*")] == [self.home / "tmp"]


@pytest.fixture
def machine(tmp_path: Path, release: ModuleType) -> Machine:
    machine = Machine(tmp_path / "home", tmp_path / "published", release)
    (machine.home / "tmp").mkdir(parents=True)
    machine.published.mkdir()
    return machine


def refused(done: subprocess.CompletedProcess[str], words: str) -> None:
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.startswith("install-agent: ")


def test_it_installs_what_was_published_and_a_second_run_changes_nothing(machine: Machine) -> None:
    script = machine.publish("0.1.0")
    first = machine.run(script)
    assert first.returncode == 0, first.stderr
    assert machine.says() == "agent 0.1.0\n"
    assert [*(machine.home / "tmp").iterdir()] == []
    place = machine.home / ".local" / "share" / "buildd-agent" / "0.1.0" / "complete"
    before = place.stat().st_mtime_ns
    machine.archive("0.1.0").unlink()
    second = machine.run(script)
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert place.stat().st_mtime_ns == before


def test_it_goes_back_only_when_it_is_told_to(machine: Machine) -> None:
    older, newer = machine.publish("0.9.0"), machine.publish("0.10.0")
    assert machine.run(older).returncode == 0
    assert machine.run(newer).returncode == 0
    assert machine.says() == "agent 0.10.0\n"
    refused(machine.run(older), "0.10.0 is installed, which is newer than 0.9.0")
    assert machine.says() == "agent 0.10.0\n"
    assert machine.run(older, "--allow-downgrade").returncode == 0
    assert machine.says() == "agent 0.9.0\n"


def test_what_is_left_of_a_run_that_was_broken_off_is_replaced(machine: Machine) -> None:
    script = machine.publish("0.1.0")
    half = machine.home / ".local" / "share" / "buildd-agent" / "0.1.0" / "bin"
    half.mkdir(parents=True)
    (half / "python").write_text("not one")
    assert machine.run(script).returncode == 0
    assert machine.says() == "agent 0.1.0\n"


def _flip(raw: bytes) -> bytes:
    return raw[:-20] + bytes([raw[-20] ^ 1]) + raw[-19:]


@pytest.mark.parametrize("tamper", [_flip, lambda raw: raw[: len(raw) // 2], lambda _: b""])
def test_an_archive_that_is_another_is_refused(
    machine: Machine, tamper: Callable[[bytes], bytes]
) -> None:
    script = machine.publish("0.1.0")
    archive = machine.archive("0.1.0")
    archive.write_bytes(tamper(archive.read_bytes()))
    refused(machine.run(script), "is not what it should be, nothing was installed")
    assert machine.untouched()


def test_a_package_that_is_another_than_the_locks_is_refused(machine: Machine) -> None:
    script = machine.publish("0.1.0", locked=b"another wheel")
    done = machine.run(script)
    assert done.returncode == 1
    assert "HASHES" in done.stderr
    assert "what was there before is untouched" in done.stderr
    assert not (machine.home / ".local" / "bin").exists()


def test_of_a_script_that_was_cut_off_nothing_runs(machine: Machine) -> None:
    script = machine.publish("0.1.0")
    lines = [index for index, character in enumerate(script) if character == "\n"]
    end = script.rindex("main")
    for length in {*range(0, len(script), 1024), *lines[:-1], *range(end - 5, end + 4)}:
        done = machine.run(script[:length])
        assert "installed" not in done.stdout
        assert machine.untouched(), f"cut off after {length} bytes, it did something"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--force"], "there is no option --force; try --help"),
        (["--from", "ftp://example.com"], "cannot be downloaded"),
        (["--from", "http://127.0.0.1:9"], "cannot be downloaded"),
        (["--from", "/nowhere"], "cannot be downloaded"),
    ],
)
def test_it_says_in_one_line_what_is_wrong(
    machine: Machine, arguments: list[str], words: str
) -> None:
    refused(machine.run(machine.publish("0.1.0"), *arguments), words)
    assert machine.untouched()


def test_the_draft_installs_nothing(machine: Machine) -> None:
    refused(machine.run(SCRIPT.read_text()), "scripts/release.py makes one of it")
    assert machine.untouched()
    assert machine.run(SCRIPT.read_text(), "--help").returncode == 0


def test_it_asks_for_no_rights_and_names_no_host() -> None:
    text = SCRIPT.read_text()
    assert text.count("sudo") == text.count("without sudo")
    assert [line for line in text.splitlines() if "://" in line and "https://…" not in line] == []


def test_a_release_is_the_same_each_time(tmp_path: Path) -> None:
    made = [tmp_path / name for name in ("one", "two")]
    for directory in made:
        subprocess.run(
            [sys.executable, ROOT / "scripts" / "release.py", "https://get.example.com", directory],
            check=True,
            capture_output=True,
        )
    one, two = ({path.name: path.read_bytes() for path in each.iterdir()} for each in made)
    assert one == two
    assert "install-agent.sh" in one
    assert b"'https://get.example.com'" in one["install-agent.sh"]
