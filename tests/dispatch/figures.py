"""What a campaign found, in one line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Figures:
    """What became of many launches."""

    name: str
    launches: int = 0
    faults: int = 0
    orphans: int = 0
    """What lives on although nothing is wanted any more."""
    double_runs: int = 0
    """Agents or attempts beyond the one that there should be."""
    unfinished: int = 0
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether every promise was kept."""
        return not (self.orphans or self.double_runs or self.unfinished)

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.launches} launches, {self.faults} faults: {self.orphans} orphans,"
            f" {self.double_runs} double runs, {self.unfinished} unfinished ({self.seconds:.0f} s)"
        )
