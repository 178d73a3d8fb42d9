"""The days before: a month of finished work, from which the chart of spending and the figures come."""

from __future__ import annotations

from datetime import timedelta

from buildd.models import NewAccount, Workspace
from tests.pictures.office import DAYS, NOW, Office

VERBS = ("Fix", "Speed up", "Test", "Document", "Simplify", "Remove", "Translate", "Cache")
THINGS = (
    "the login form",
    "the checkout",
    "the invoice export",
    "the search index",
    "the price rounding",
    "the mobile menu",
    "the nightly backup",
    "the image resizer",
    "the rate limiter",
    "the order history",
    "the newsletter sign-up",
    "the stock count",
)
_SATURDAY = 5


def play(office: Office) -> None:
    """Live through all days but the last."""
    first = (NOW - timedelta(days=DAYS)).replace(hour=8, minute=0)
    for day in range(DAYS):
        begin = first + timedelta(days=day)
        busy = 2 if begin.weekday() >= _SATURDAY else 4 + day // 8
        for hour in range(office.chance.randint(busy - 1, busy + 2)):
            office.until(begin + timedelta(hours=hour))
            _work(office)


def _work(office: Office) -> None:
    """One task, from its beginning to its end."""
    chance = office.chance
    workspace, account, runner = chance.choice(_pairs(office))
    title = f"{chance.choice(VERBS)} {chance.choice(THINGS)}"
    attempt = office.take(office.task(workspace, title), account, runner)
    office.clock.advance(chance.randint(180, 1500))
    attempt.beat(100, chance.lognormvariate(0.1, 0.7))
    if chance.random() < 0.06:
        attempt.fail("2 of 214 tests still fail", "executor_failed")
    else:
        attempt.done("Done, with a test.")


def _pairs(office: Office) -> list[tuple[Workspace, NewAccount, str]]:
    """Who works where, as often as it stands here."""
    return [
        (office.shop, office.night, "coder"),
        (office.shop, office.night, "coder"),
        (office.payments, office.night, "coder"),
        (office.shop, office.actions, "github_actions"),
        (office.shop, office.mira, "local"),
        (office.payments, office.mira, "local"),
        (office.website, office.jon, "local"),
        (office.mobile, office.mira, "local"),
    ]
