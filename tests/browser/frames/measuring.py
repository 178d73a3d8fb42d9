"""Frames of a page: how long each took, what held them up, and on what the time was spent."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Page

RECORD = """(milliseconds) => new Promise((done) => {
    const frames = [], tasks = [];
    const watch = new PerformanceObserver((list) => {
        for (const {duration} of list.getEntries()) tasks.push(duration);
    });
    watch.observe({type: 'longtask'});
    let last = null, first = null;
    requestAnimationFrame(function tick(now) {
        first ??= now;
        if (last !== null) frames.push(now - last);
        last = now;
        if (now - first < milliseconds) return requestAnimationFrame(tick);
        watch.disconnect();
        done([frames, tasks]);
    });
})"""


@dataclass(frozen=True)
class Frames:
    """One run: milliseconds between frames, and of tasks that took longer than 50."""

    deltas: list[float]
    long_tasks: list[float]
    heap: int = 0
    costs: list[tuple[str, float]] = field(default_factory=list)
    """Functions, and milliseconds in them."""

    @property
    def longest(self) -> float:
        return max(self.deltas)

    def told(self) -> str:
        """In one line."""
        ordered = sorted(self.deltas)
        late = ordered[int(0.95 * (len(ordered) - 1))]
        tasks = f"{len(self.long_tasks)} long tasks"
        if self.long_tasks:
            tasks += f" up to {max(self.long_tasks):.0f}"
        return (
            f"median {statistics.median(ordered):5.1f}  p95 {late:6.1f}  max {self.longest:6.1f} ms"
            f"  {tasks}  heap {self.heap / 1e6:.0f} MB"
        )


def measured(page: Page, seconds: float, profile: bool = False) -> Frames:
    """Watch a page's frames for so long."""
    page.bring_to_front()
    chromium = page.context.new_cdp_session(page)
    if profile:
        chromium.send("Profiler.enable")
        chromium.send("Profiler.start")
    deltas, tasks = page.evaluate(RECORD, seconds * 1000)
    costs = _costs(chromium.send("Profiler.stop")["profile"]) if profile else []
    heap = page.evaluate("() => performance.memory.usedJSHeapSize")
    chromium.detach()
    return Frames(deltas, tasks, heap, costs)


def _costs(profile: dict[str, Any]) -> list[tuple[str, float]]:
    """What took most by itself, without what it called."""
    names = {
        each["id"]: f"{each['callFrame']['functionName'] or '(anonymous)'}"
        f" {urlsplit(each['callFrame']['url']).path.rpartition('/')[2]}"
        f":{each['callFrame']['lineNumber'] + 1}"
        for each in profile["nodes"]
    }
    spent: Counter[str] = Counter()
    for node, delta in zip(profile["samples"], profile["timeDeltas"], strict=True):
        spent[names[node]] += delta
    return [(name, micros / 1000) for name, micros in spent.most_common(25)]
