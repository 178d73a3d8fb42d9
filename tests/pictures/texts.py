"""What the agents of the installation say and make: plans, summaries, output, and a change with its diff."""

from __future__ import annotations

import difflib

BEFORE = {
    "shop/tax.py": '''\
"""What is added to a price."""

from decimal import Decimal

RATES = {"DE": Decimal("0.19"), "FR": Decimal("0.20"), "NL": Decimal("0.21")}


def tax(net: Decimal, country: str) -> Decimal:
    """The VAT on a net price."""
    rate = RATES.get(country, RATES["DE"])
    return round(net * rate, 2)


def gross(net: Decimal, country: str) -> Decimal:
    """The price as customers see it."""
    return net + tax(net, country)
''',
    "tests/test_tax.py": """\
from decimal import Decimal

from shop.tax import gross


def test_a_price_in_france() -> None:
    assert gross(Decimal(100), "FR") == Decimal(120)
""",
}
AFTER = {
    "shop/tax.py": '''\
"""What is added to a price."""

from decimal import Decimal

from shop.customers import Customer

HOME = "DE"
RATES = {"DE": Decimal("0.19"), "FR": Decimal("0.20"), "NL": Decimal("0.21")}


def tax(net: Decimal, customer: Customer) -> Decimal:
    """The VAT on a net price; a business abroad with a VAT number pays its own."""
    if customer.vat_number and customer.country != HOME:
        return Decimal(0)
    return round(net * RATES[customer.country], 2)


def gross(net: Decimal, customer: Customer) -> Decimal:
    """The price as customers see it."""
    return net + tax(net, customer)
''',
    "tests/test_tax.py": """\
from decimal import Decimal

import pytest

from shop.customers import Customer
from shop.tax import gross


@pytest.mark.parametrize(
    ("country", "vat_number", "price"),
    [("FR", None, 120), ("FR", "FR40303265045", 100), ("DE", "DE811569869", 119)],
)
def test_who_pays_which_tax(country: str, vat_number: str | None, price: int) -> None:
    customer = Customer(country=country, vat_number=vat_number)
    assert gross(Decimal(100), customer) == price
""",
}


def diff() -> str:
    """The change, as git shows it."""
    lines: list[str] = []
    for path, before in BEFORE.items():
        lines += [f"diff --git a/{path} b/{path}\n", "index 5f2c1ab..c09e7d4 100644\n"]
        change = (before.splitlines(keepends=True), AFTER[path].splitlines(keepends=True))
        lines += difflib.unified_diff(*change, f"a/{path}", f"b/{path}")
    return "".join(lines)


VAT = """\
A business abroad gives its VAT number and **pays its own tax**; we charge it none. Today everybody
is charged the German rate if we do not know better.

- the rate follows the customer's country
- a number that VIES does not know counts as none
- `make test` passes, with a test for each case
"""
PLAN = """\
## Plan

1. Give `tax()` the **customer** instead of a country, since it needs the VAT number.
2. Charge nothing where the reverse charge applies.
3. Test each case of the table:

| customer | country | VAT number | tax |
|---|---|---|---|
| person | France | no | 20 % |
| business | France | yes | none |
| business | Germany | yes | 19 % |
"""
SUMMARY = """\
## What I changed

`tax()` now asks the customer: **where** it is, and whether it has a **VAT number**.

- a business abroad is charged nothing, and its invoice says *reverse charge*
- an unknown country is an error now, and no longer taxed as Germany

```py
gross(Decimal(100), Customer(country="FR", vat_number="FR40303265045"))  # 100
```

All 214 tests pass. I left the rates where they are; they may deserve a table of their own.
"""
_PASSES = "\x1b[32mPASSED\x1b[0m"
_FAILS = "\x1b[31mFAILED\x1b[0m"
FAILING = f"""\
$ pytest tests/test_tax.py
\x1b[1m============================= test session starts =============================\x1b[0m
collected 3 items

tests/test_tax.py::test_who_pays_which_tax[FR-None-120] {_PASSES}               [ 33%]
tests/test_tax.py::test_who_pays_which_tax[FR-FR40303265045-100] {_FAILS}      [ 66%]
tests/test_tax.py::test_who_pays_which_tax[DE-DE811569869-119] {_PASSES}        [100%]

\x1b[31mE   assert Decimal('120.00') == 100\x1b[0m
\x1b[31m=============== \x1b[1m1 failed\x1b[0;31m, \x1b[32m2 passed\x1b[31m in 0.31s ===============\x1b[0m
"""
PASSING = """\
$ make test
ruff check ............................................ \x1b[32mok\x1b[0m
mypy --strict ......................................... \x1b[32mok\x1b[0m
pytest ................................................ \x1b[32m214 passed\x1b[0m in 8.42s
\x1b[33mwarning\x1b[0m: shop/legacy.py is not covered by any test
"""
