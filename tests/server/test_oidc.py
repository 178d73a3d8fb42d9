"""Runs of GitHub Actions log in by what GitHub signs for them, and nothing else does."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from buildd.broker._context import Context
from buildd.broker.launches import move_launch, request_launch
from buildd.broker.principals import ADMIN
from buildd.broker.run_login import EVENT, REFUSED, WORKFLOW
from buildd.clock import elapsed
from buildd.errors import Unavailable
from buildd.lease import LeaseTimes
from buildd.states import LaunchVerb
from buildd.store import Row, Transaction
from buildd.store.sql import pools as sql
from buildd.store.sql import tasks as sql_tasks
from buildd_runners.github.workflow import Workflow
from buildd_server import oidc
from buildd_server.oidc import PATH, SigningKeys
from tests.github.issuer import KID, Issuer, claims, key, published, signed
from tests.github.shapes import REPOSITORY_ID
from tests.server.serving import ADMIN_KEY, Running, made, problem, running

PUBLIC = "https://buildd.example.com"
RUN = 9_000_000_001


@dataclass
class Stage:
    """A server with the pool of `acme/shop`, and who signs for GitHub."""

    server: Running
    admin: httpx2.Client
    issuer: Issuer
    account: str
    pool: str
    workspace: str

    def write(self, change: Callable[[Context], Any]) -> Any:
        def work(tx: Transaction) -> Any:
            return change(Context(tx, ADMIN, LeaseTimes(), self.server.broker._pepper))

        return self.server.broker._store.write(work).result()

    def configure(self, config: dict[str, Any]) -> None:
        """Change where the pool looks, which is refused while something of it is open."""
        opened = self.admin.get("/api/launches", params={"open": True, "limit": 200}).json()
        for each in opened:
            self.end(each["id"], LaunchVerb.END)
        changed = self.admin.patch(f"/api/pools/{self.pool}", json={"config": config})
        assert changed.is_success, changed.text

    def launch(self, *, bound: bool = True, realm: str | None = str(REPOSITORY_ID)) -> str:
        """A launch for a new task, whose run GitHub has named or not."""
        task = made(
            self.admin,
            "/api/tasks",
            workspaceId=self.workspace,
            title="deploy",
            runnerPreference="action",
        )

        def start(ctx: Context) -> str:
            pool = ctx.tx.first(sql.POOL, id=self.pool)
            row = ctx.tx.first(sql_tasks.TASK_SEEN, id=task["id"], viewer=None)
            assert pool is not None
            launch = request_launch(ctx, pool, row)
            if bound:
                move_launch(
                    ctx, launch, LaunchVerb.ENSURE, external=str(RUN), at="a-url", within=realm
                )
            return str(launch.id)

        return str(self.write(start))

    def row(self, launch: str) -> Row:
        return self.write(lambda ctx: self.row_in(ctx, launch))

    def end(self, launch: str, verb: LaunchVerb) -> None:
        self.write(lambda ctx: move_launch(ctx, self.row_in(ctx, launch), verb, reason="over"))

    def row_in(self, ctx: Context, launch: str) -> Row:
        row = ctx.tx.first(sql.LAUNCH_BY_ID, id=launch)
        assert row is not None
        return row

    def claims(self, **more: Any) -> dict[str, Any]:
        return claims(self.issuer.url, PUBLIC, RUN, **more)

    def log_in(self, token: str, launch: str) -> httpx2.Response:
        with self.server.client() as client:
            return client.post(PATH, json={"token": token, "launchId": launch})

    def claim(self, token: str) -> httpx2.Response:
        with self.server.client(token) as client:
            return client.post("/api/workers/claim", json={"runner": "action"})


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        issuer.keys = [published(), published("second")]
        yield issuer


@pytest.fixture(scope="module")
def stage(module_url: str, issuer: Issuer) -> Iterator[Stage]:
    with running(module_url, github_issuer=issuer.url) as server, server.client(ADMIN_KEY) as bd:
        workspace = made(bd, "/api/workspaces", name="shop")["id"]
        account = made(
            bd,
            "/api/accounts",
            type="action",
            name="ci",
            githubId="acme/shop",
            maxConcurrentWorkers=100,
        )
        made(bd, f"/api/accounts/{account['id']}/workspaces", workspaceId=workspace)
        [pool] = bd.get("/api/pools").json()
        assert bd.patch(f"/api/pools/{pool['id']}", json={"server": PUBLIC}).is_success
        yield Stage(server, bd, issuer, account["id"], pool["id"], workspace)


def test_a_run_gets_the_one_token_that_takes_its_task(stage: Stage) -> None:
    launch = stage.launch()
    answer = stage.log_in(signed(stage.claims()), launch)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    said = answer.json()
    assert set(said) == {"token", "taskId", "expiresAt"}
    assert said["token"].startswith("buildd_acquire_")
    assert said["taskId"] == stage.row(launch).task_id
    [entry] = stage.admin.get("/api/audit", params={"action": "logInRun", "about": launch}).json()
    assert (entry["actor"], entry["subjects"]) == ("run", [launch, said["taskId"]])
    assert entry["address"] == "127.0.0.1"
    [claimed] = stage.claim(said["token"]).json()["workers"]
    assert claimed["taskId"] == said["taskId"]
    again = stage.claim(said["token"])
    assert not again.is_success or not again.json()["workers"]


def test_the_first_run_that_fits_is_the_launchs(stage: Stage) -> None:
    launch = stage.launch(bound=False)
    assert stage.log_in(signed(stage.claims()), launch).is_success
    bound = stage.row(launch)
    assert (bound.external_id, bound.realm) == (str(RUN), str(REPOSITORY_ID))
    other = stage.claims(run_id=str(RUN + 1))
    problem(stage.log_in(signed(other), launch), 401, "not_authenticated")


def test_the_answer_of_a_dispatch_does_not_undo_what_a_run_has_said(stage: Stage) -> None:
    launch = stage.launch(bound=False)
    assert stage.log_in(signed(stage.claims()), launch).is_success
    late = {"external": "since 2026-01-01T00:00:00+00:00", "at": None, "within": None}
    stage.write(lambda ctx: move_launch(ctx, stage.row_in(ctx, launch), LaunchVerb.ENSURE, **late))
    assert stage.row(launch).external_id == str(RUN)
    assert stage.row(launch).realm == str(REPOSITORY_ID)


def test_a_run_that_is_run_again_may_log_in_if_it_is_the_launchs(stage: Stage) -> None:
    again = {"run_attempt": "2"}
    assert stage.log_in(signed(stage.claims(**again)), stage.launch()).is_success
    launch = stage.launch(bound=False)
    problem(stage.log_in(signed(stage.claims(**again)), launch), 401, "not_authenticated")


def test_a_renamed_repository_is_known_by_its_number(stage: Stage) -> None:
    moved = stage.claims(
        repository="acme/store",
        workflow_ref="acme/store/.github/workflows/buildd.yml@refs/heads/main",
    )
    assert stage.log_in(signed(moved), stage.launch()).is_success


def _without_signature(stage: Stage) -> str:
    return jwt.encode(stage.claims(), None, "none", headers={"kid": KID})


def _by_the_public_key(stage: Stage) -> str:
    """HS256 with the public key for its secret, which a library that trusts the header believes."""
    import hashlib
    import hmac

    pem = (
        key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    head = _part({"alg": "HS256", "kid": KID, "typ": "JWT"}) + b"." + _part(stage.claims())
    mac = hmac.new(pem, head, hashlib.sha256).digest()
    return (head + b"." + _bare(mac)).decode()


def _part(value: Any) -> bytes:
    return _bare(json.dumps(value).encode())


def _bare(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _with_its_own_key(stage: Stage) -> str:
    """A token that brings the key it is signed with."""
    return signed(stage.claims(), "stranger", kid=KID, jwk=published("stranger"))


def _altered(stage: Stage) -> str:
    head, _, signature = signed(stage.claims()).split(".")
    return f"{head}.{_part(stage.claims(run_id='1')).decode()}.{signature}"


def _from_elsewhere(stage: Stage) -> str:
    """The far end's keys are the same for every issuer; the name of this one is another."""
    return signed(stage.claims(iss="https://token.example.com"))


def _big(stage: Stage) -> str:
    return signed(stage.claims(actor="x" * 16_384))


def _claiming(**more: Any) -> Callable[[Stage], str]:
    return lambda stage: signed(stage.claims(**more))


def _critical(stage: Stage) -> str:
    return signed(stage.claims(), crit=["b64"], b64=True)


_NAMESAKE = "acme/shop/.github/workflows/buildd.yml@refs/heads/main"

FORGED: dict[str, Callable[[Stage], str]] = {
    "garbage": lambda _: "garbage",
    "empty": lambda _: "",
    "three dots": lambda _: "...",
    "not text": lambda _: "\u0000.\ud7ff.é",
    "deep JSON": lambda _: (_bare(b"[" * 9000) + b"..").decode(),
    "our own key": lambda stage: ADMIN_KEY,
    "no signature": _without_signature,
    "signature cut off": lambda stage: signed(stage.claims()).rpartition(".")[0] + ".",
    "HS256 with the public key": _by_the_public_key,
    "RS512": lambda stage: jwt.encode(stage.claims(), key(), "RS512", headers={"kid": KID}),
    "PS256": lambda stage: jwt.encode(stage.claims(), key(), "PS256", headers={"kid": KID}),
    "a stranger's key": lambda stage: signed(stage.claims(), "stranger"),
    "a stranger's key by the right name": lambda s: signed(s.claims(), "stranger", kid=KID),
    "a key that it brings along": _with_its_own_key,
    "a key that it says where to find": lambda stage: signed(
        stage.claims(), "stranger", kid=KID, jku="http://127.0.0.1:9/jwks"
    ),
    "no name of a key": lambda stage: jwt.encode(stage.claims(), key(), "RS256"),
    "an unknown critical header": _critical,
    "altered": _altered,
    "another issuer": _from_elsewhere,
    "no issuer": _claiming(iss=None),
    "another audience": _claiming(aud="https://github.com/acme"),
    "our address as a prefix": _claiming(aud=f"{PUBLIC}.example.net"),
    "two audiences": _claiming(aud=[PUBLIC, "https://elsewhere.example.com"]),
    "no audience": _claiming(aud=None),
    "expired": _claiming(exp=int(time.time()) - 60),
    "no end": _claiming(exp=None),
    "an end in words": _claiming(exp="tomorrow"),
    "an end beyond all time": _claiming(exp=10**18),
    "not good yet": _claiming(nbf=int(time.time()) + 3600),
    "no beginning": _claiming(nbf=None),
    "made in the future": _claiming(iat=int(time.time()) + 3600),
    "never made": _claiming(iat=None),
    "no name": _claiming(jti=None),
    "an empty name": _claiming(jti=""),
    "another repository": _claiming(
        repository="acme/other",
        repository_id="99",
        workflow_ref="acme/other/.github/workflows/buildd.yml@refs/heads/main",
    ),
    "another repository of the same name": _claiming(repository_id="99"),
    "no repository's number": _claiming(repository_id=None),
    "a number that is none": _claiming(repository_id=REPOSITORY_ID),
    "a fork's pull request": _claiming(
        event_name="pull_request", head_ref="patch-1", base_ref="main"
    ),
    "pull_request_target": _claiming(event_name="pull_request_target"),
    "workflow_run": _claiming(event_name="workflow_run"),
    "push": _claiming(event_name="push"),
    "schedule": _claiming(event_name="schedule"),
    "the other event": _claiming(event_name="workflow_dispatch"),
    "a pull request under another event": _claiming(head_ref="patch-1", base_ref="main"),
    "no event": _claiming(event_name=None),
    "another workflow": _claiming(workflow_ref=_NAMESAKE.replace("buildd.yml", "ci.yml")),
    "another repository's workflow": _claiming(workflow_ref=_NAMESAKE.replace("acme", "evil")),
    "a workflow with ours in its name": _claiming(workflow_ref=f"evil/{_NAMESAKE}"),
    "no workflow": _claiming(workflow_ref=None),
    "another run": _claiming(run_id=str(RUN + 1)),
    "no run": _claiming(run_id=None),
    "no attempt": _claiming(run_attempt=None),
    "oversized": _big,
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused(
    stage: Stage, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "buildd")
    launch = stage.launch()
    token = FORGED[name](stage)
    refusal = problem(stage.log_in(token, launch), 401, "not_authenticated")
    assert refusal["detail"] == REFUSED
    told = [each for each in caplog.messages if "refused a login from GitHub Actions" in each]
    assert len(told) == 1
    assert "\n" not in told[0]
    assert not token or token not in told[0]
    row = stage.row(launch)
    assert (row.external_id, row.worker_id) == (str(RUN), None)


def test_at_least_twenty_five_were_forged() -> None:
    assert len(FORGED) >= 25


def refuse(stage: Stage, token: str, launch: str) -> None:
    assert problem(stage.log_in(token, launch), 401, "not_authenticated")["detail"] == REFUSED


def test_a_token_works_once(stage: Stage) -> None:
    token, launch = signed(stage.claims()), stage.launch()
    assert stage.log_in(token, launch).is_success
    refuse(stage, token, launch)
    refuse(stage, token, stage.launch())
    same = stage.claims()
    assert stage.log_in(signed(same), launch).is_success
    refuse(stage, signed({**same, "iat": same["iat"] - 1}), launch)


def test_of_many_at_once_one_gets_in(stage: Stage) -> None:
    token, launch = signed(stage.claims()), stage.launch()
    with ThreadPoolExecutor(8) as threads:
        answers = [*threads.map(lambda _: stage.log_in(token, launch), range(8))]
    assert sorted(answer.status_code for answer in answers) == [200] + 7 * [401]


@pytest.mark.parametrize("verb", [LaunchVerb.STOP, LaunchVerb.END])
def test_a_launch_that_is_over_lets_nobody_in(stage: Stage, verb: LaunchVerb) -> None:
    launch = stage.launch()
    stage.end(launch, verb)
    refuse(stage, signed(stage.claims()), launch)


def test_a_launch_that_has_claimed_lets_nobody_in(stage: Stage) -> None:
    launch = stage.launch()
    token = stage.log_in(signed(stage.claims()), launch).json()["token"]
    assert stage.claim(token).json()["workers"]
    refuse(stage, signed(stage.claims()), launch)


def test_there_must_be_such_a_launch(stage: Stage) -> None:
    for name in ("lch_01k0000000000000000000000000", "lch_1'; DROP TABLE launch; --", "é"):
        refuse(stage, signed(stage.claims()), name)


def test_a_name_alone_is_enough_only_until_the_number_is_known(stage: Stage) -> None:
    launch = stage.launch(realm=None)
    other = stage.claims(repository="evil/shop", workflow_ref=f"evil/shop/{_NAMESAKE[10:]}")
    refuse(stage, signed(other), launch)
    assert stage.log_in(signed(stage.claims()), launch).is_success
    refuse(stage, signed(stage.claims(repository_id="99")), launch)


def test_a_pool_can_ask_for_a_branch_and_a_workflow_of_its_own(stage: Stage) -> None:
    url, own = f"/api/pools/{stage.pool}", {"repository": "acme/shop", "event": EVENT}
    before = stage.admin.get(url).json()["config"]
    config = {**own, "ref": "release", "workflow": "agents.yml"}
    stage.configure(config)
    try:
        launch = stage.launch()
        path = "acme/shop/.github/workflows/agents.yml"
        for wrong in ("refs/heads/main", "refs/heads/release-2", "refs/pull/7/merge", ""):
            said = stage.claims(event_name=EVENT, workflow_ref=f"{path}@{wrong}")
            refuse(stage, signed(said), launch)
        said = stage.claims(event_name=EVENT, workflow_ref=f"{path}@refs/heads/release")
        assert stage.log_in(signed(said), launch).is_success
    finally:
        stage.configure(before)


def test_no_pool_can_ask_for_what_strangers_cause(stage: Stage) -> None:
    url, event = f"/api/pools/{stage.pool}", "pull_request_target"
    before = stage.admin.get(url).json()["config"]
    config = {"repository": "acme/shop", "event": event}
    stage.configure(config)
    try:
        refuse(stage, signed(stage.claims(event_name=event)), stage.launch())
    finally:
        stage.configure(before)


def test_a_server_that_does_not_know_its_address_lets_nobody_in(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"/api/pools/{stage.pool}"
    assert stage.admin.patch(url, json={"server": None}).is_success
    try:
        refuse(stage, signed(stage.claims()), stage.launch())
        assert "set BUILDD_PUBLIC_URL" in caplog.text
    finally:
        assert stage.admin.patch(url, json={"server": PUBLIC}).is_success


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "invalid"),
        (b"{", 422, "invalid"),
        (b"[]", 422, "invalid"),
        (b'{"token": 1, "launchId": "lch_1"}', 422, "invalid"),
        (b'{"token": "a.b.c"}', 422, "invalid"),
        (b'{"token": "' + b"x" * 40_000 + b'"}', 413, "too_large"),
    ],
)
def test_what_is_no_login_at_all_is_said_to_be_none(
    stage: Stage, body: bytes, status: int, code: str
) -> None:
    with stage.server.client() as client:
        problem(client.post(PATH, content=body), status, code)


def test_the_defaults_of_a_pool_are_the_runners() -> None:
    workflow = Workflow.from_config({"repository": "acme/shop"})
    assert (workflow.file, workflow.event) == (WORKFLOW, EVENT)
    assert oidc.PATH == "/api/auth/github-oidc"


def test_a_name_that_two_keys_have_is_nobodys(stage: Stage) -> None:
    before = stage.issuer.keys
    stage.issuer.keys = [published(), published("stranger", kid=KID)]
    try:
        keys = SigningKeys(stage.issuer.url)
        assert anyio.run(keys.named, KID) is None
    finally:
        stage.issuer.keys = before


@pytest.mark.parametrize("wrong", [{"alg": "RS512"}, {"use": "enc"}, {"kty": "EC"}, {"n": "AQAB"}])
def test_a_key_for_something_else_is_no_key(stage: Stage, wrong: dict[str, str]) -> None:
    before = stage.issuer.keys
    stage.issuer.keys = [published("second"), published(**wrong)]
    try:

        async def ask() -> None:
            keys = SigningKeys(stage.issuer.url)
            token = signed(stage.claims())
            with pytest.raises(Exception, match=REFUSED):
                await oidc.verified(token, stage.issuer.url, keys)
            await oidc.verified(signed(stage.claims(), "second"), stage.issuer.url, keys)

        anyio.run(ask)
    finally:
        stage.issuer.keys = before


class Watch:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = elapsed()

    def __call__(self) -> float:
        return self.now


async def _asks(issuer: Issuer) -> None:
    watch, fetched = Watch(), issuer.fetched

    def asked() -> int:
        return issuer.fetched - fetched

    keys = SigningKeys(issuer.url, watch)
    for _ in range(3):
        assert await keys.named(KID) is not None
    assert asked() == 1
    for name in ("a", "b", "c"):
        assert await keys.named(name) is None
    assert asked() == 1  # not so soon after the first
    watch.now += 11
    assert await keys.named("a") is None
    assert await keys.named("b") is None
    assert asked() == 2
    issuer.keys = [*issuer.keys, published("third")]
    watch.now += 11
    assert await keys.named("third") is not None
    assert asked() == 3
    watch.now += 3601
    issuer.away = 1
    with pytest.raises(Unavailable):
        await keys.named(KID)
    with pytest.raises(Unavailable):  # and is not asked at once again
        await keys.named(KID)
    watch.now += 11
    assert await keys.named(KID) is not None
    assert asked() == 4


def test_keys_are_fetched_when_they_are_needed_and_seldom() -> None:
    with Issuer() as issuer:
        anyio.run(_asks, issuer)


def test_an_issuer_that_is_away_is_no_refusal(tmp_path: Any) -> None:
    with Issuer() as issuer:
        issuer.away = 1
        with (
            running(f"sqlite:///{tmp_path / 'own.db'}", github_issuer=issuer.url) as server,
            server.client() as client,
        ):
            token = signed(claims(issuer.url, PUBLIC, RUN))
            answer = client.post(PATH, json={"token": token, "launchId": "lch_1"})
            problem(answer, 503, "unavailable")
            assert "retry-after" in answer.headers
