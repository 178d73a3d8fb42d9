"""Hooks from the command line."""

from __future__ import annotations

from tests.cli.conftest import Here


def test_a_hook_from_its_making_to_its_end(here: Here) -> None:
    assert here.json("hooks", "list") == []
    made = here.json("hooks", "create", "https://hooks.example/x", "--type", "failed")
    assert (made["types"], made["active"]) == (["failed"], True)
    assert made["secret"].startswith("whsec_")
    head, row = here.ok("hooks", "list").splitlines()
    assert head.split() == ["ID", "STATE", "HOST", "WORKSPACE", "TYPES", "ERROR"]
    assert row.split()[:3] == [made["id"], "active", "hooks.example"]
    rotated = here.json("hooks", "rotate", made["id"], "--overlap", "1h")
    assert rotated["secret"] != made["secret"]
    assert "secret" not in here.json("hooks", "show", made["id"])
    sent = here.json("hooks", "test", made["id"])
    assert (sent["type"], sent["status"]) == ("test", "pending")
    _, row = here.ok("hooks", "deliveries", made["id"]).splitlines()
    assert row.split()[:4] == [sent["id"], "pending", "test", "0"]
    changed = here.json(
        *("hooks", "update", made["id"], "--url", "https://other.example/"),
        *("--type", "failed", "--type", "budget", "--disable"),
    )
    assert (changed["url"], changed["active"]) == ("https://other.example/", False)
    assert "switched off" in here.error(3, "hooks", "redeliver", made["id"], sent["id"])
    assert here.json("hooks", "update", made["id"], "--enable")["active"] is True
    again = here.ok("hooks", "redeliver", made["id"], sent["id"])
    assert again == f"{sent['id']} will be sent again\n"
    assert here.ok("hooks", "delete", made["id"], "--yes") == f"deleted {made['id']}\n"
    assert here.error(3, "hooks", "show", made["id"]) == "there is no such hook"
