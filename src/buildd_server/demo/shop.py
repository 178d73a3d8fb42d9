"""The repository the demo works on: a shop's till with six things to do, and tests that say so."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from buildd.errors import ConfigError
from buildd.routing import RunnerPreference

TILL = '''"""A small shop's till. Amounts are in cents."""


def subtotal(prices: list[int]) -> int:
    """The sum of all prices."""
    raise NotImplementedError


def discount(amount: int, percent: int) -> int:
    """The amount with a discount taken off, in the customer's favour."""
    return amount - percent


def split(amount: int, people: int) -> list[int]:
    """The bill in equal parts; the first ones pay the cents that are left over."""
    raise NotImplementedError


def greeting(name: str) -> str:
    """What the display says to a customer."""
    raise NotImplementedError


def tax(amount: int, percent: int) -> int:
    """The tax that an amount contains, rounded half up."""
    raise NotImplementedError


def receipt(items: dict[str, int]) -> str:
    """A line for each item, amounts aligned, and the total below a rule."""
    raise NotImplementedError
'''

TESTS = """import unittest

import till


class TestTill(unittest.TestCase):
    def test_subtotal(self) -> None:
        self.assertEqual(till.subtotal([250, 199]), 449)
        self.assertEqual(till.subtotal([]), 0)

    def test_discount(self) -> None:
        self.assertEqual(till.discount(1000, 15), 850)
        self.assertEqual(till.discount(999, 10), 899)

    def test_split(self) -> None:
        self.assertEqual(till.split(1000, 3), [334, 333, 333])

    def test_greeting(self) -> None:
        self.assertEqual(till.greeting("Ada"), "Good to see you, Ada!")

    def test_tax(self) -> None:
        self.assertEqual(till.tax(11900, 19), 1900)
        self.assertEqual(till.tax(107, 7), 7)

    def test_receipt(self) -> None:
        self.assertEqual(
            till.receipt({"tea": 250, "scone": 199}),
            "tea     2.50\\nscone   1.99\\n------------\\ntotal   4.49",
        )


if __name__ == "__main__":
    unittest.main()
"""


@dataclass(frozen=True)
class Job:
    """A task of the demo, and whom it is for."""

    title: str
    function: str
    route: RunnerPreference = RunnerPreference.ANY
    capabilities: tuple[str, ...] = ()
    priority: int = 0

    @property
    def description(self) -> str:
        """What the task says to whoever does it."""
        return f"Make `{self.function}` in till.py do what test_till.py expects, and commit it."

    @property
    def routing(self) -> str:
        """Whom it is for, in a few words for the screen."""
        words = [self.route.value, *self.capabilities]
        return " + ".join(words) + (f" (priority {self.priority})" if self.priority else "")


JOBS = (
    Job("Add up the prices", "subtotal"),
    Job("Split the bill fairly", "split"),
    Job("Greet the customers", "greeting", RunnerPreference.USER),
    Job("Compute the tax", "tax", RunnerPreference.SERVICE),
    Job("Print the receipt", "receipt", capabilities=("printer",)),
    Job("Fix the discount: it takes off cents", "discount", priority=10),
)


def create(path: Path) -> None:
    """Make the repository with one commit. Raises `ConfigError` where there is no git."""
    path.mkdir(parents=True)
    (path / "till.py").write_text(TILL)
    (path / "test_till.py").write_text(TESTS)
    (path / ".gitignore").write_text("__pycache__/\n")
    _git(path, "init", "--quiet", "--initial-branch=main")
    _git(path, "config", "user.name", "buildd demo")
    _git(path, "config", "user.email", "demo@buildd.invalid")
    _git(path, "config", "commit.gpgSign", "false")
    _git(path, "add", "--all")
    _git(path, "commit", "--quiet", "--message", "A till with six things to do")


def last_commit(path: Path, branch: str) -> str | None:
    """The newest commit on a branch in one line, or None if nothing was committed there."""
    line = _git(path, "log", "--oneline", "--max-count=1", f"main..{branch}", "--")
    return line or None


def _git(path: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=path,
            check=True,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        raise ConfigError("the demo needs git: install it and try again") from None
    except subprocess.CalledProcessError as problem:
        raise ConfigError(f"git {arguments[0]} failed: {problem.stderr.strip()}") from None
    return done.stdout.strip()
