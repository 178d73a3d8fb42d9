"""Stories of the dashboard with real parts: a server, agents in processes of their own, git, a browser."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from buildd.states import TaskStatus
from tests.browser.house import FIX, HEAR, TIDY, House, house
from tests.browser.reader import (
    confirm,
    create,
    live,
    open_task,
    output,
    question,
    status,
    story,
    tells,
)
from tests.browser.tabs import Tab, context, tab
from tests.patience import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

pytestmark = pytest.mark.real

ROUND = f"""
echo "reading price.py"
buildd agent report --progress 10 --cost 0.10 --turns 1
printf 'tests: \\033[31m1 failed\\033[0m, \\033[1;32m3 passed\\033[0m\\n' | buildd agent say -
answer=$(buildd agent ask "Round **up** or down?" --option up --option down)
echo "rounding $answer"
{FIX}
git diff | buildd agent attach - --type diff --title "What I would do"
{HEAR}
{TIDY}
git commit --quiet --all --message "Round $answer"
buildd agent report --progress 100 --cost 0.25 --turns 4
echo "{{\\"rounded\\": \\"$answer\\"}}" > $BUILDD_RESULT_FILE
"""
"""A program that asks how to round, shows what it would do, and does as it is told."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


@pytest.fixture
def mine(browser: Browser, home: House) -> Iterator[Tab]:
    """A person's browser, on the board of the house."""
    with context(browser, viewport={"width": 1440, "height": 900}) as own, tab(own, home.url) as it:
        live(it.go("/"))
        yield it


def test_a_task_is_made_watched_answered_read_commented_on_and_done(home: House, mine: Tab) -> None:
    page = mine.page
    page.evaluate("() => { window.neverLoadedAgain = true }")
    create(page, "Round prices", Description="Nobody knows how.")
    open_task(page, "Round prices")
    status(page, "waiting").wait_for()
    page.get_by_text("No agent has taken it yet").wait_for()

    home.work(ROUND)
    status(page, "running").wait_for()
    output(page).get_by_text("reading price.py").wait_for()
    page.locator(".step-live").get_by_text("10%").wait_for()
    page.locator(".task-facts").get_by_text("$0.10").wait_for()
    failed = output(page).get_by_text("1 failed", exact=True)
    passed = output(page).get_by_text("3 passed", exact=True)
    assert colour(failed) != colour(passed) != colour(output(page))

    question(page).get_by_text("Round up or down?").wait_for()
    assert page.title().startswith("(1) ")
    question(page).get_by_role("button", name="up", exact=True).click()
    question(page).wait_for(state="detached")
    output(page).get_by_text("rounding up").wait_for()

    page.get_by_role("button", name="Side by side").click()
    halves = page.locator(".diff .row .half").filter(has_text="return")
    halves.nth(1).wait_for()
    before, after = halves.all()[:2]
    assert (
        before.inner_text().split("return ")[1],
        after.inner_text().split("return ")[1],
    ) == ("cents // 100", "-(-cents // 100)")
    page.get_by_role("button", name="Unified").click()
    page.get_by_role("button", name="Line 2, added, comment on it").click()
    page.get_by_label("Comment on line 2").fill("These are amounts, not cents.")
    page.get_by_role("button", name="Comment", exact=True).click()
    page.get_by_text("Sent: the running agent receives it").wait_for()
    output(page).get_by_text("These are amounts, not cents.").wait_for()

    status(page, "done").wait_for()
    page.get_by_role("heading", name="Result").wait_for()
    page.locator(".task-json").get_by_text('"rounded": "up"').first.wait_for()
    page.locator(".task-facts").get_by_text("$0.25").wait_for()
    page.get_by_role("heading", name="Changes on").wait_for()
    tells(
        page,
        "Created",
        "Claimed",
        "Started",
        "Asked",
        "Answered",
        "Artifact",
        "Comment",
        "Artifact",
        "Artifact",
        "Completed",
    )
    assert page.evaluate("() => window.neverLoadedAgain")
    [task] = home.bd.tasks.list()
    assert task.status is TaskStatus.COMPLETED


def colour(locator: Locator) -> str:
    found: str = locator.evaluate("(element) => getComputedStyle(element).color")
    return found


def test_cancelling_ends_the_agents_process(home: House, mine: Tab) -> None:
    page, pid = mine.page, home.gate("pid")
    create(page, "Never ends")
    open_task(page, "Never ends")
    home.work(f"sleep 600 & echo $! > {pid}; wait")
    status(page, "running").wait_for()
    until(lambda: pid.exists() and pid.read_text().strip())
    child = psutil.Process(int(pid.read_text()))
    page.get_by_role("button", name="Cancel task").click()
    confirm(page, "Cancel task")
    status(page, "cancelled").wait_for()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    tells(page, "Stopped", "Cancelled", part=slice(-2, None))
    page.get_by_role("link", name="Board").click()
    failed = page.get_by_role("region", name="Failed")
    failed.get_by_role("link", name="Never ends").wait_for()


SPEND = """WAS=; test ! -e $OLD || WAS=1; touch $OLD; buildd agent report --cost 0.20
test -n "$WAS" || sleep 600; echo went on"""
"""Spends too much, for which it may be stopped at once, and is done with it the second time."""


@pytest.mark.parametrize("said", ["go on", "stop"])
def test_a_day_that_has_cost_too_much_asks_a_person(said: str, home: House, mine: Tab) -> None:
    page = mine.page
    home.bd.accounts.update(id=home.office.account_id, max_cost_per_day=Decimal("0.15"))
    create(page, "Costs a lot")
    home.work(f"OLD={home.gate()}; {SPEND}")
    needs = page.get_by_role("region", name="Needs a person")
    asked = needs.get_by_role("listitem").filter(has_text="Budget used up")
    asked.get_by_text("The account's budget of $0.15 for today is used up. Go on?").wait_for()
    # Who answers sooner lets it go on without a pause, and so with what it does at the moment.
    until(lambda: home.bd.workers.list(status="paused"))
    asked.get_by_role("button", name=said).click()
    needs.wait_for(state="detached")
    open_task(page, "Costs a lot")
    if said == "go on":
        status(page, "done").wait_for()
        output(page).get_by_text("went on").wait_for()
        until(lambda: "Budget used up" in story(page))
        return
    status(page, "waiting").wait_for()
    page.get_by_role("button", name="Why does it wait?").first.click()
    page.get_by_text("$0.20 of $0.15 spent or set aside").wait_for()


def test_a_task_that_has_used_up_its_own_budget_has_failed_and_says_why(
    home: House, mine: Tab
) -> None:
    page = mine.page
    create(page, "Costs a lot", **{"Budget in US dollars": "0.15"})
    home.work(f"OLD={home.gate()}; {SPEND}")
    failed = page.get_by_role("region", name="Failed")
    failed.get_by_text("the task's budget is used up").wait_for()
    open_task(page, "Costs a lot")
    status(page, "failed").wait_for()
    page.locator(".task-facts").get_by_text("$0.20 of $0.15").wait_for()
    tells(page, "Stopped at its budget", "The task failed", part=slice(-2, None))
    page.get_by_role("button", name="Retry").click()
    asked = page.get_by_role("dialog", name="Retry with a new budget")
    assert asked.get_by_label("Budget in US dollars").input_value() == "0.4"
    asked.get_by_role("button", name="Retry").click()
    page.locator(".task-facts").get_by_text("$0.20 of $0.40").wait_for()


def test_a_task_is_paused_goes_on_and_is_tried_again(home: House, mine: Tab) -> None:
    page = mine.page
    create(page, "Takes its time", **{"Attempts before it fails": "1"})
    open_task(page, "Takes its time")
    fails = f"test -e {home.gate('tried')} || {{ touch {home.gate('tried')}; exit 3; }}"
    home.work(f'echo "at it"; {home.wait()}; {fails}; echo "as it should be"')
    output(page).get_by_text("at it").wait_for()
    page.get_by_role("button", name="Pause").click()
    status(page, "paused").wait_for()
    home.gate().touch()
    page.get_by_role("button", name="Resume").click()
    status(page, "failed").wait_for()
    page.get_by_text("exit code 3").first.wait_for()
    page.get_by_role("button", name="Retry").click()
    status(page, "done").wait_for()
    output(page).get_by_text("as it should be").wait_for()
    tells(
        page,
        "Created",
        "Claimed",
        "Started",
        "Asked to pause",
        "Paused",
        "Taken up again",
        "Artifact",
        "Failed",
        "The task failed",
        "Retried",
        "Claimed",
        "Started",
        "Artifact",
        "Completed",
    )


def test_what_anybody_may_have_written_waits_for_a_persons_word(home: House, mine: Tab) -> None:
    page, bd = mine.page, home.bd
    home.work("cat")
    task = home.office.task("From afar", description="Say <b>please</b>.", trust="public")
    needs = page.get_by_role("region", name="Needs a person")
    needs.get_by_role("button", name="Read and approve").click()
    read = page.get_by_role("dialog")
    read.get_by_text("Say <b>please</b>.").wait_for()
    assert bd.tasks.get(id=task.id).status is TaskStatus.PENDING
    read.get_by_role("button", name="Approve").click()
    needs.wait_for(state="detached")
    open_task(page, "From afar")
    status(page, "done").wait_for()
    tells(page, "Created", "Approved", "Claimed", part=slice(3))


def test_why_a_task_waits_is_told_until_an_agent_comes(home: House, mine: Tab) -> None:
    page = mine.page
    create(page, "Needs a GPU", **{"Required capabilities": "gpu"})
    home.work("echo hello")
    why = page.get_by_role("button", name="Why is it waiting? Needs a GPU")
    why.click()
    told = page.get_by_role("dialog", name="Why it waits")
    told.get_by_text("No live agent of this account has all required capabilities").wait_for()
    command = told.get_by_text("buildd-agent --workspace").inner_text()
    assert command.endswith(f"{home.office.workspace_id} --capability gpu")
    home.work("echo hello", "--capability", "gpu")
    told.get_by_text("It does not wait").wait_for()
    page.keyboard.press("Escape")
    why.wait_for(state="detached")
    open_task(page, "Needs a GPU")
    status(page, "done").wait_for()
    page.get_by_role("button", name="Why does it wait?").wait_for(state="detached")
