"""The last day: what goes on at the moment of the pictures, told as scenes that happen at the same time.

A scene yields how many minutes before the pictures what follows happens.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from buildd.models import Pool, Selection, Task
from buildd.scopes import Scope
from buildd.states import LaunchVerb
from buildd.telling import HookType
from tests.pictures import texts
from tests.pictures.office import NOW, Attempt, Office
from tests.pictures.png import checkout

Scene = Iterator[float]
VAT = "Charge businesses abroad the right VAT"
STUCK = "Upload the new build to TestFlight"
_GITHUB = "https://github.com/acme/shop"


def play(office: Office) -> None:
    """Let all scenes happen, each thing at its time."""
    desks = _pools(office)
    scenes = [
        _vat(office, desks),
        _question(office),
        _approval(office),
        _budget(office),
        _paused(office),
        _starts(office, desks),
        _second_attempt(office),
        _waiting(office),
        _failures(office),
        *_at_work(office),
        *_finished(office),
        _idle(office),
    ]
    # The number decides where two things happen at once.
    due = [(-next(scene), number, scene) for number, scene in enumerate(scenes)]
    heapq.heapify(due)
    while due:
        minutes, number, scene = heapq.heappop(due)
        office.until(NOW + timedelta(minutes=minutes))
        if (then := next(scene, None)) is not None:
            heapq.heappush(due, (-then, number, scene))
    office.until(NOW)


def _pools(office: Office) -> Pool:
    """The places where agents are started; the desks are where most are."""
    coder = {"url": "https://coder.example.com", "template": "buildd"}
    desks = office.house.pool(
        office.house.broker.authenticate(office.night.api_key).result(),
        name="desks",
        runner="coder",
        config=coder,
        maximum=6,
        minimum=1,
        capabilities=["docker"],
    )
    office.bd.pools.create(
        account_id=office.night.id,
        name="gpu",
        runner="vm",
        config={"host": "gpu-1.example.com", "user": "buildd"},
        capabilities=["gpu"],
        pass_env=["ANTHROPIC_API_KEY"],
        maximum=2,
        enabled=False,
    )
    return desks


def _desk(number: int) -> tuple[str, str]:
    """A Coder workspace: its name, and where it is seen."""
    return f"buildd-desk-{number}", f"https://coder.example.com/@buildd/desk-{number}"


def _vat(office: Office, desks: Pool) -> Scene:
    """The task that is shown: an agent that asked, was answered, was corrected, and goes on."""
    yield 96
    task = office.task(
        office.shop,
        VAT,
        description=texts.VAT,
        priority=5,
        max_cost=Decimal(8),
        required_capabilities=["docker"],
        runner_preference="service",
    )
    yield 94
    work = office.launched(desks, task, *_desk(4))
    work.beat(3, 0.04)
    work.say(
        "I read the issue and the code around `tax()`. It knows the country, not the customer."
    )
    work.tool(
        "Grep", {"pattern": r"tax\(", "path": "shop"}, "shop/cart.py:41\nshop/invoice.py:88\n"
    )
    yield 86
    work.show("impl_plan", "How I will do it", texts.PLAN)
    work.beat(15, 0.42)
    yield 81
    work.say("One thing is for you to decide, since it changes what customers see.")
    work.lease.workers.ask(
        id=work.id,
        type="question",
        prompt="What about a country that we have no rate for: refuse the order, or tax it as at home?",
        options=["Refuse the order", "Tax it as at home"],
    )
    yield 66
    office.bd.workers.answer(id=work.id, content="Refuse the order")
    yield 65
    work.beat(30, 0.78)
    work.say("Thank you: refused, with a message that names the country. First a test that fails.")
    yield 52
    work.tool("Bash", {"command": "pytest tests/test_tax.py"}, texts.FAILING)
    work.beat(48, 1.36)
    yield 38
    work.tool("Edit", {"file_path": "shop/tax.py"}, "The file shop/tax.py has been updated.")
    work.tool("Bash", {"command": "make test"}, texts.PASSING)
    work.beat(70, 2.05)
    yield from _shown(office, work)


def _shown(office: Office, work: Attempt) -> Scene:
    """It shows what it has, and hears what a person thinks of it."""
    yield 31
    change = texts.diff()
    diff = work.show("diff", "Changes so far", change)
    work.lease.artifacts.upload(
        checkout(),
        worker_id=work.id,
        type="screenshot",
        title="The checkout of a French business",
        filename="checkout.png",
        mime_type="image/png",
    )
    work.show("summary", "What I changed", texts.SUMMARY)
    yield 17
    _remark(office, diff, change, "+HOME =", "Is there not a `settings.HOME` already?")
    _remark(office, diff, change, "+        return Decimal(0)", "Please log these, finance asks.")
    yield 12
    work.say("There is: `settings.HOME_COUNTRY`. I use it, and log each reverse charge.")
    work.beat(84, 2.61)
    yield 3
    work.tool("Bash", {"command": "make test"}, texts.PASSING)
    yield 0.2
    work.beat(88, 2.74)


def _remark(office: Office, artifact: str, change: str, line: str, content: str) -> None:
    """A person's comment on a line of a diff."""
    start = change.index(f"\n{line}") + 1
    end = change.index("\n", start)
    selection = Selection(start=start, end=end, text=change[start:end])
    office.bd.with_key(office.mira.api_key).comments.create(
        artifact_id=artifact, content=content, selection=selection
    )


def _question(office: Office) -> Scene:
    yield 47
    task = office.task(office.website, "Move the blog to the new design", priority=1)
    yield 44
    work = office.take(task, office.mira, "local")
    work.beat(35, 0.66)
    yield 6
    work.say("The old posts have pictures of two sizes.")
    work.beat(40, 0.91)
    work.lease.workers.ask(
        id=work.id,
        type="question",
        prompt="412 old posts have pictures narrower than the new column. Shall I **stretch** them, "
        "or keep them small and centred?",
        options=["Keep them small", "Stretch them", "Only those above 600 px"],
    )
    yield 0.3
    work.lease.workers.heartbeat(id=work.id)


def _approval(office: Office) -> Scene:
    yield 130
    source = office.bd.sources.create(
        workspace_id=office.shop.id,
        type="github",
        name="issues",
        config={"repository": "acme/shop"},
    )
    yield 24
    office.task(
        office.shop,
        "The cart forgets its coupon when I log in",
        description="Steps: add a coupon, log in, and it is gone. Chrome and Firefox.",
        trust="public",
        source_id=source.id,
        external_id="acme/shop#418",
        external_url=f"{_GITHUB}/issues/418",
    )


def _budget(office: Office) -> Scene:
    yield 75
    office.bd.accounts.update(id=office.jon.id, max_cost_per_day=Decimal(6))
    work = office.take(office.task(office.mobile, "Show prices in the app"), office.jon, "local")
    work.beat(20, 1.1)
    yield 9
    work.beat(64, 6.35)
    yield 0.4
    work.beat(64, 6.35)


def _paused(office: Office) -> Scene:
    yield 150
    task = office.task(office.payments, "Rotate the webhook secrets of all merchants")
    work = office.take(task, office.mira, "local")
    work.beat(30, 0.5)
    yield 140
    office.bd.workers.pause(id=work.id)
    work.lease.workers.pause(id=work.id)


def _starts(office: Office, desks: Pool) -> Scene:
    yield 0.7
    task = office.task(
        office.shop, "Send an e-mail when an order is late", required_capabilities=["docker"]
    )
    yield 0.5
    launch = office.house.launch(desks, task)
    name, url = _desk(7)
    office.house.move(launch, LaunchVerb.ENSURE, external=name, at=url, said="building the image")


def _second_attempt(office: Office) -> Scene:
    yield 64
    task = office.task(office.payments, "Retry refunds that the bank answers with 503", max_cost=4)
    work = office.take(task, office.night, "coder")
    work.beat(45, 1.2)
    yield 40
    work.fail("the database of the tests did not start", "executor_failed", retryable=True)
    yield 20
    again = office.take(office.bd.tasks.get(id=task.id), office.night, "coder")
    again.beat(30, 0.4)
    yield 0.4
    again.beat(55, 0.95)


def _waiting(office: Office) -> Scene:
    """What nobody has taken yet, for all the reasons that there are."""
    yield 58
    office.task(office.mobile, STUCK, required_capabilities=["macos", "xcode"], priority=3)
    vat = office.bd.tasks.list(text=VAT)[0]
    office.task(
        office.shop, "Announce the new VAT rules", depends_on=[vat.id], runner_preference="user"
    )
    office.task(
        office.payments, "Migrate the ledger to 64-bit amounts", not_before=NOW + timedelta(hours=8)
    )
    yield 36
    office.task(office.shop, "Run the accessibility audit", runner_preference="action")
    office.task(office.shop, "Upgrade to Python 3.14", priority=-1)
    yield 11
    office.task(office.payments, "Refunds of split payments are rounded twice", priority=8)
    office.task(office.website, "Translate the help pages to Dutch")


def _failures(office: Office) -> Scene:
    yield 320
    work = office.take(
        office.task(office.shop, "Drop support for IE 11"), office.actions, "github_actions"
    )
    work.beat(60, 1.7)
    yield 290
    work.fail("2 of 214 tests still fail: test_cart_prints, test_fallback", "executor_failed")
    yield 210
    called_off = office.task(office.website, "Add a cookie banner")
    yield 200
    office.bd.tasks.cancel(id=called_off.id)


def _at_work(office: Office) -> Iterator[Scene]:
    """Agents of whom there is nothing special to tell."""
    rows = [
        (office.shop, "Speed up the search for long words", office.night, "coder", 33, 62, 1.14),
        (office.payments, "Let merchants export their fees", office.night, "coder", 26, 41, 0.83),
        (
            office.shop,
            "Fix the flaky test of the stock count",
            office.actions,
            "github_actions",
            14,
            77,
            0.52,
        ),
        (office.mobile, "Remember the chosen language", office.mira, "local", 8, 18, 0.21),
    ]

    def scene(row: int) -> Scene:
        workspace, title, account, runner, minutes, progress, cost = rows[row]
        yield minutes + 5
        task: Task = office.task(workspace, title)
        yield minutes
        work = office.take(task, account, runner)
        work.beat(2, 0.02)
        work.say("I read the code first, and begin with a test that fails.")
        yield 0.3
        work.beat(progress, cost)

    return (scene(row) for row in range(len(rows)))


def _finished(office: Office) -> Iterator[Scene]:
    rows = [
        (office.shop, "Show the delivery date in the cart", office.night, 380, 2.31),
        (office.payments, "Explain declined cards in plain words", office.night, 350, 1.87),
        (office.website, "Shrink the pictures of the front page", office.mira, 260, 0.94),
        (office.shop, "Delete carts after 90 days", office.night, 240, 3.12),
        (office.mobile, "Fix the crash on an empty basket", office.mira, 160, 0.71),
        (office.shop, "Cache the categories", office.night, 110, 1.48),
    ]

    def scene(row: int) -> Scene:
        workspace, title, account, minutes, cost = rows[row]
        yield minutes
        runner = "coder" if account is office.night else "local"
        work = office.take(office.task(workspace, title), account, runner)
        work.beat(50, cost / 2)
        yield minutes - 28
        work.beat(98, cost)
        number = 390 + row
        work.show("pull_request", f"#{number}", f"{_GITHUB}/pull/{number}")
        work.done("Done, with tests. The pull request waits for a review.")

    return (scene(row) for row in range(len(rows)))


def _idle(office: Office) -> Scene:
    """What administration there is, and agents that have nothing to do."""
    yield 500
    bd = office.bd
    bd.accounts.create_admin_key(name="dashboards in the office", scopes=[Scope.READ])
    bd.accounts.create_key(account_id=office.night.id, name="image of the desks", scopes=["claim"])
    bd.accounts.create_key(
        account_id=office.mira.id,
        name="phone",
        scopes=["read", "create"],
        expires_in_seconds=86_400 * 90,
    )
    bd.hooks.create(
        url="https://chat.example.com/hooks/agents", types=[HookType.WAITING_INPUT, HookType.BUDGET]
    )
    bd.hooks.create(
        url="https://ci.example.com/buildd",
        types=[HookType.COMPLETED, HookType.FAILED],
        workspace_id=office.shop.id,
    )
    bd.schedules.create(
        workspace_id=office.shop.id,
        name="Update the dependencies",
        cron="0 6 * * 1",
        timezone="Europe/Berlin",
        task={"title": "Update the dependencies", "maxCost": 5},
    )
    bd.schedules.create(
        workspace_id=office.shop.id,
        name="Look for dead links",
        cron="@weekly",
        task={"title": "Look for dead links", "priority": -1},
    )
    yield 0.1
    for account, runner in ((office.mira, "local"), (office.night, "coder")):
        office.looks_for_work(account, account.api_key, runner)
