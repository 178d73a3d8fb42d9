"""Who may do what: every operation, tried by every kind of caller who may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from buildd import operations as ops
from buildd.client import Client
from buildd.errors import BuilddError, Forbidden, NotAuthenticated, NotFound, WrongState
from buildd.ids import Secret, new_secret
from buildd.models import ArtifactType, QuestionType, TaskCounts
from buildd.operations import OPERATIONS, Access, Operation
from buildd.operations.workers import BatchedStart
from buildd.routing import AccountType
from buildd.scopes import Scope
from buildd.testing.conformance.stage import Stage, StageSuite


@dataclass(frozen=True)
class Things:
    """One of each, by its id."""

    account: str
    key: str
    workspace: str
    source: str
    schedule: str
    task: str
    worker: str
    artifact: str
    pool: str
    launch: str
    comment: str
    hook: str
    delivery: str
    lease: Client


def things_of(stage: Stage) -> Things:
    """Make one of each, around an attempt that is at work."""
    bd, workspace = stage.bd, stage.workspace.id
    claimed, lease = stage.running()
    artifact = lease.artifacts.create(worker_id=claimed.id, type=ArtifactType.DIFF, content="+ b")
    hook = bd.hooks.create(url="https://hooks.example.com/buildd", workspace_id=workspace)
    return Things(
        account=stage.account.id,
        key=stage.account.key_id,
        workspace=workspace,
        source=bd.sources.create(workspace_id=workspace, type="manual", name="people").id,
        schedule=bd.schedules.create(
            workspace_id=workspace, name="nightly", cron="@daily", task={"title": "Update"}
        ).id,
        task=claimed.task_id,
        worker=claimed.id,
        artifact=artifact.id,
        pool=bd.pools.create(
            name=f"laptops of {workspace}",
            account_id=stage.account.id,
            runner="local",
            enabled=False,
        ).id,
        launch="lch_nothing",  # nobody but a dispatcher makes one
        comment=bd.comments.create(artifact_id=artifact.id, content="Better so").id,
        hook=hook.id,
        delivery=bd.hooks.test(id=hook.id).id,
        lease=lease,
    )


Call = Callable[[Things], Operation[Any]]

CALLS: dict[type[Operation[Any]], Call] = {
    ops.CreateAccount: lambda _: ops.CreateAccount(type=AccountType.USER, name="Eve"),
    ops.ListAccounts: lambda _: ops.ListAccounts(),
    ops.GetMe: lambda _: ops.GetMe(),
    ops.GetAccount: lambda it: ops.GetAccount(id=it.account),
    ops.UpdateAccount: lambda it: ops.UpdateAccount(id=it.account, name="Eve"),
    ops.DrainAccount: lambda it: ops.DrainAccount(id=it.account),
    ops.DeleteAccount: lambda it: ops.DeleteAccount(id=it.account),
    ops.CreateKey: lambda it: ops.CreateKey(account_id=it.account),
    ops.ListKeys: lambda it: ops.ListKeys(account_id=it.account),
    ops.RotateKey: lambda it: ops.RotateKey(account_id=it.account, id=it.key),
    ops.RevokeKey: lambda it: ops.RevokeKey(account_id=it.account, id=it.key),
    ops.CreateAdminKey: lambda _: ops.CreateAdminKey(),
    ops.ListAdminKeys: lambda _: ops.ListAdminKeys(),
    ops.RotateAdminKey: lambda it: ops.RotateAdminKey(id=it.key),
    ops.RevokeAdminKey: lambda it: ops.RevokeAdminKey(id=it.key),
    ops.ListAgents: lambda _: ops.ListAgents(),
    ops.GrantWorkspace: lambda it: ops.GrantWorkspace(
        account_id=it.account, workspace_id=it.workspace
    ),
    ops.ListGrants: lambda it: ops.ListGrants(account_id=it.account),
    ops.RevokeGrant: lambda it: ops.RevokeGrant(account_id=it.account, workspace_id=it.workspace),
    ops.CreateWorkspace: lambda _: ops.CreateWorkspace(name="mine"),
    ops.ListWorkspaces: lambda _: ops.ListWorkspaces(),
    ops.GetWorkspace: lambda it: ops.GetWorkspace(id=it.workspace),
    ops.UpdateWorkspace: lambda it: ops.UpdateWorkspace(id=it.workspace, name="mine"),
    ops.DeleteWorkspace: lambda it: ops.DeleteWorkspace(id=it.workspace),
    ops.CreateSource: lambda it: ops.CreateSource(
        workspace_id=it.workspace, type="manual", name="mine"
    ),
    ops.ListSources: lambda it: ops.ListSources(workspace_id=it.workspace),
    ops.GetSource: lambda it: ops.GetSource(id=it.source),
    ops.UpdateSource: lambda it: ops.UpdateSource(id=it.source, name="mine"),
    ops.RevealSecret: lambda it: ops.RevealSecret(id=it.source),
    ops.DeleteSource: lambda it: ops.DeleteSource(id=it.source),
    ops.CreateTask: lambda it: ops.CreateTask(workspace_id=it.workspace, title="Mine"),
    ops.CreateTasks: lambda it: ops.CreateTasks(
        tasks=[ops.BatchedTask(workspace_id=it.workspace, title="Mine")]
    ),
    ops.ListTasks: lambda _: ops.ListTasks(),
    ops.CountTasks: lambda _: ops.CountTasks(),
    ops.GetTask: lambda it: ops.GetTask(id=it.task),
    ops.UpdateTask: lambda it: ops.UpdateTask(id=it.task, priority=1),
    ops.DeleteTask: lambda it: ops.DeleteTask(id=it.task),
    ops.CancelTask: lambda it: ops.CancelTask(id=it.task),
    ops.RetryTask: lambda it: ops.RetryTask(id=it.task),
    ops.ReleaseTask: lambda it: ops.ReleaseTask(id=it.task),
    ops.ApproveTask: lambda it: ops.ApproveTask(id=it.task),
    ops.WhyTask: lambda it: ops.WhyTask(id=it.task),
    ops.CreateSchedule: lambda it: ops.CreateSchedule(
        workspace_id=it.workspace, name="mine", cron="@daily", task={"title": "Mine"}
    ),
    ops.ListSchedules: lambda _: ops.ListSchedules(),
    ops.GetSchedule: lambda it: ops.GetSchedule(id=it.schedule),
    ops.UpdateSchedule: lambda it: ops.UpdateSchedule(id=it.schedule, name="mine"),
    ops.DeleteSchedule: lambda it: ops.DeleteSchedule(id=it.schedule),
    ops.ClaimTasks: lambda _: ops.ClaimTasks(),
    ops.CreateWorker: lambda it: ops.CreateWorker(workspace_id=it.workspace, task_id=it.task),
    ops.ListWorkers: lambda _: ops.ListWorkers(),
    ops.GetWorker: lambda it: ops.GetWorker(id=it.worker),
    ops.StartWorker: lambda it: ops.StartWorker(id=it.worker),
    ops.Heartbeat: lambda it: ops.Heartbeat(id=it.worker),
    ops.AskWorker: lambda it: ops.AskWorker(
        id=it.worker, type=QuestionType.QUESTION, prompt="Why?"
    ),
    ops.AnswerWorker: lambda it: ops.AnswerWorker(id=it.worker, content="So."),
    ops.PauseWorker: lambda it: ops.PauseWorker(id=it.worker),
    ops.CompleteWorker: lambda it: ops.CompleteWorker(id=it.worker),
    ops.FailWorker: lambda it: ops.FailWorker(id=it.worker, error="no"),
    ops.CancelWorker: lambda it: ops.CancelWorker(id=it.worker),
    ops.ReportWorkers: lambda it: ops.ReportWorkers(
        reports=[BatchedStart(verb="start", id=it.worker, token=new_secret(Secret.LEASE))]
    ),
    ops.CreateEnrolment: lambda it: ops.CreateEnrolment(account_id=it.account),
    ops.Enrol: lambda _: ops.Enrol(),
    ops.CreatePool: lambda it: ops.CreatePool(name="mine", account_id=it.account, runner="local"),
    ops.ListPools: lambda _: ops.ListPools(),
    ops.GetPool: lambda it: ops.GetPool(id=it.pool),
    ops.UpdatePool: lambda it: ops.UpdatePool(id=it.pool, maximum=2),
    ops.DeletePool: lambda it: ops.DeletePool(id=it.pool),
    ops.CheckPool: lambda it: ops.CheckPool(id=it.pool),
    ops.ReapPool: lambda it: ops.ReapPool(id=it.pool),
    ops.ListLaunches: lambda _: ops.ListLaunches(),
    ops.GetLaunch: lambda it: ops.GetLaunch(id=it.launch),
    ops.StopLaunch: lambda it: ops.StopLaunch(id=it.launch),
    ops.CreateHook: lambda it: ops.CreateHook(
        url="https://hooks.example.com/mine", workspace_id=it.workspace
    ),
    ops.ListHooks: lambda _: ops.ListHooks(),
    ops.GetHook: lambda it: ops.GetHook(id=it.hook),
    ops.UpdateHook: lambda it: ops.UpdateHook(id=it.hook, active=False),
    ops.DeleteHook: lambda it: ops.DeleteHook(id=it.hook),
    ops.RotateHook: lambda it: ops.RotateHook(id=it.hook),
    ops.TestHook: lambda it: ops.TestHook(id=it.hook),
    ops.ListDeliveries: lambda it: ops.ListDeliveries(hook_id=it.hook),
    ops.Redeliver: lambda it: ops.Redeliver(hook_id=it.hook, id=it.delivery),
    ops.ListSpend: lambda _: ops.ListSpend(),
    ops.ListAuditEntries: lambda _: ops.ListAuditEntries(),
    ops.CreateArtifact: lambda it: ops.CreateArtifact(worker_id=it.worker, type=ArtifactType.DIFF),
    ops.OpenPullRequest: lambda it: ops.OpenPullRequest(id=it.worker, title="Mine"),
    ops.ListArtifacts: lambda it: ops.ListArtifacts(worker_id=it.worker),
    ops.GetArtifact: lambda it: ops.GetArtifact(id=it.artifact),
    ops.CreateComment: lambda it: ops.CreateComment(artifact_id=it.artifact, content="Hm."),
    ops.ListComments: lambda it: ops.ListComments(artifact_id=it.artifact),
    ops.UpdateComment: lambda it: ops.UpdateComment(id=it.comment, resolved=True),
    ops.CreateMessage: lambda it: ops.CreateMessage(worker_id=it.worker, content="Hello."),
    ops.CreateMessages: lambda it: ops.CreateMessages(
        worker_id=it.worker, messages=[ops.BatchedMessage(content="Hello.")]
    ),
    ops.ListMessages: lambda it: ops.ListMessages(worker_id=it.worker),
}
"""Each operation as it would be sent about those things."""

LISTS: set[type[Operation[Any]]] = {
    *(ops.ListAgents, ops.ListSchedules, ops.ListSpend),
    *(ops.ListTasks, ops.ListWorkers, ops.ListWorkspaces),
}
"""What anybody may ask: it shows to each what is theirs."""

BY_ACCOUNTS = {
    Access.ACCOUNT,
    Access.CLAIMER,
    Access.MEMBER,
    Access.READER,
    Access.MEMBER_OR_LEASE,
}
FOR_GRANTED = BY_ACCOUNTS - {Access.ACCOUNT}
NOT_BY_ADMINS = {Access.ACCOUNT, Access.LEASE, Access.ENROLMENT}
BY_LEASES = {Access.LEASE, Access.READER, Access.MEMBER_OR_LEASE}


def refusal(client: Client, operation: Operation[Any]) -> type[BuilddError] | None:
    """How the operation is refused, or None if it is done."""
    try:
        client.send(operation)
    except BuilddError as error:
        return type(error)
    return None


def refused(client: Client, things: Things, kinds: set[Access]) -> dict[str, object]:
    """How a caller is refused whose kind must never use the operations of these kinds."""
    asked = [(kind, make(things)) for kind, make in CALLS.items() if kind.access in kinds]
    return {kind.__name__: refusal(client, operation) for kind, operation in asked}


class AccessSuite(StageSuite):
    """Keys, kinds of callers, and tenants."""

    def test_every_operation_is_in_the_table(self) -> None:
        """A new operation must say here how it is refused."""
        assert set(CALLS) == set(OPERATIONS)

    @pytest.mark.parametrize("secret", list(Secret))
    def test_an_unknown_key_opens_nothing(self, stage: Stage, secret: Secret) -> None:
        """Whether something is there or not, and whatever is asked."""
        things = things_of(stage)
        nobody = stage.bd.with_key(new_secret(secret))
        found = refused(nobody, things, set(Access))
        assert found == dict.fromkeys(found, NotAuthenticated)

    def test_an_enrolment_token_enrols_once_and_does_nothing_else(self, stage: Stage) -> None:
        """What it is swapped for is a key of its account."""
        things = things_of(stage)
        enrolment = stage.bd.accounts.create_enrolment(account_id=stage.account.id)
        machine = stage.bd.with_key(enrolment.token)
        found = refused(machine, things, set(Access) - {Access.ENROLMENT})
        assert found == dict.fromkeys(found, Forbidden)
        enrolled = machine.accounts.enrol()
        assert enrolled.account_id == stage.account.id
        assert stage.bd.with_key(enrolled.api_key).accounts.me().id == stage.account.id
        with pytest.raises(NotAuthenticated, match="was used"):
            machine.accounts.enrol()

    def test_what_is_no_key_at_all_opens_nothing(self, stage: Stage) -> None:
        """A typo is refused as an unknown key is."""
        for text in ("banana", stage.account.api_key[:-1] + "!", stage.account.api_key + "x"):
            with pytest.raises(NotAuthenticated):
                stage.bd.with_key(text).tasks.list()

    def test_a_revoked_key_opens_nothing(self, stage: Stage) -> None:
        """The account's other keys go on working."""
        accounts, mine = stage.bd.accounts, stage.account.id
        other = accounts.create_key(account_id=mine)
        revoked = accounts.revoke_key(account_id=mine, id=other.id)
        assert revoked.revoked_at is not None
        with pytest.raises(NotAuthenticated):
            stage.bd.with_key(other.api_key).accounts.me()
        assert accounts.revoke_key(account_id=mine, id=other.id) == revoked
        assert stage.agent.accounts.me().id == mine
        admin = accounts.create_admin_key()
        owner = stage.bd.with_key(admin.api_key)  # the first such key may end what needed none
        assert owner.accounts.get(id=mine).id == mine
        assert owner.accounts.revoke_admin_key(id=owner.accounts.create_admin_key().id).deleted

    def test_a_key_is_good_for_its_scopes(self, stage: Stage) -> None:
        """Whatever it lacks is named; who it is, any key may ask."""
        made = stage.bd.accounts.create_key(
            account_id=stage.account.id, name="a board", scopes=["read"], expires_in_seconds=3600
        )
        board = stage.bd.with_key(made.api_key)
        assert board.accounts.me().id == stage.account.id
        assert board.workspaces.get(id=stage.workspace.id).id == stage.workspace.id
        with pytest.raises(Forbidden, match="a key with the scope claim; this one has: read"):
            board.workers.claim()
        with pytest.raises(Forbidden, match="a key with the scope create"):
            board.tasks.create(workspace_id=stage.workspace.id, title="Mine")
        [listed, first] = stage.bd.accounts.keys(account_id=stage.account.id)
        assert (listed.name, listed.scopes, listed.id) == ("a board", [Scope.READ], made.id)
        assert (first.id, len(first.scopes)) == (stage.account.key_id, 3)

    def test_a_key_is_rotated(self, stage: Stage) -> None:
        """To one like it, while the old one works for the overlap."""
        accounts, mine = stage.bd.accounts, stage.account.id
        second = accounts.rotate_key(account_id=mine, id=stage.account.key_id)
        assert stage.agent.accounts.me().id == mine
        third = accounts.rotate_key(account_id=mine, id=second.id, overlap_seconds=0)
        with pytest.raises(NotAuthenticated, match="expired"):
            stage.bd.with_key(second.api_key).accounts.me()
        assert stage.bd.with_key(third.api_key).accounts.me().id == mine
        assert [key.replaced_by for key in accounts.keys(account_id=mine)] == [
            None,
            third.id,
            second.id,
        ]
        admin = accounts.create_admin_key(name="ops")
        owner = stage.bd.with_key(admin.api_key)  # the first such key may end what needed none
        rotated = owner.accounts.rotate_admin_key(id=admin.id)
        with pytest.raises(WrongState, match=rotated.id):
            owner.accounts.rotate_admin_key(id=admin.id)
        assert [key.name for key in owner.accounts.admin_keys()] == ["ops", "ops"]

    def test_an_account_may_not_administrate_nor_speak_for_an_attempt(self, stage: Stage) -> None:
        """Not even for its own attempt: that needs the lease's token."""
        found = refused(stage.agent, things_of(stage), set(Access) - BY_ACCOUNTS)
        assert found == dict.fromkeys(found, Forbidden)

    def test_a_lease_speaks_for_its_attempt_only(self, stage: Stage) -> None:
        """It neither claims, nor creates, nor decides."""
        things = things_of(stage)
        found = refused(things.lease, things, set(Access) - BY_LEASES)
        assert found == dict.fromkeys(found, Forbidden)

    def test_an_administrator_has_no_account_and_no_lease(self, stage: Stage) -> None:
        """The owner neither claims nor reports."""
        found = refused(stage.bd, things_of(stage), NOT_BY_ADMINS)
        assert found == dict.fromkeys(found, Forbidden)

    def test_what_a_stranger_may_not_see_does_not_exist(self, stage: Stage) -> None:
        """An account without a grant cannot tell a real id from an invented one."""
        things = things_of(stage)
        hired = stage.bd.accounts.create(type=AccountType.USER, name="a stranger")
        stranger = stage.bd.with_key(hired.api_key)
        found = refused(stranger, things, FOR_GRANTED)
        open_to_all: list[type[Operation[Any]]] = [*LISTS, ops.CountTasks, ops.ReportWorkers]
        done = {kind.__name__ for kind in open_to_all}
        assert found == {name: None if name in done else NotFound for name in found}
        assert [stranger.send(CALLS[kind](things)) for kind in LISTS] == [[]] * len(LISTS)
        assert stranger.tasks.count() == TaskCounts()

    def test_another_attempts_lease_sees_nothing_of_this_one(self, stage: Stage) -> None:
        """All but its own attempt does not exist for it."""
        things = things_of(stage)
        claimed, other = stage.running()
        found = refused(other, things, BY_LEASES)
        seen = {"GetWorkspace": None, "ListWorkers": None}
        assert [worker.id for worker in other.workers.list()] == [claimed.id]
        assert found == {**dict.fromkeys(found, NotFound), **seen}

    def test_a_grant_opens_and_its_end_closes(self, stage: Stage) -> None:
        """Claiming and creating are granted apart; any grant lets an account read."""
        task, account = stage.task(), stage.account.id
        grant = {"account_id": account, "workspace_id": stage.workspace.id}
        stage.bd.accounts.grant(**grant, can_claim=False, can_create=False)
        assert stage.agent.tasks.get(id=task.id) == task
        assert stage.agent.workers.claim().workers == []
        with pytest.raises(Forbidden):
            stage.agent.tasks.create(workspace_id=stage.workspace.id, title="Mine")
        with pytest.raises(Forbidden):
            stage.agent.tasks.delete(id=task.id)
        stage.bd.accounts.revoke_grant(**grant)
        with pytest.raises(NotFound):
            stage.agent.tasks.get(id=task.id)
        with pytest.raises(NotFound):
            stage.bd.accounts.revoke_grant(**grant)

    def test_ids_that_were_never_given_do_not_exist(self, stage: Stage) -> None:
        """Not for the owner either."""
        nothing = Things(
            account="acc_nothing",
            key="key_nothing",
            workspace="ws_nothing",
            source="src_nothing",
            schedule="sch_nothing",
            task="task_nothing",
            worker="wkr_nothing",
            artifact="art_nothing",
            pool="pool_nothing",
            launch="lch_nothing",
            comment="cmt_nothing",
            hook="hook_nothing",
            delivery="dlv_nothing",
            lease=stage.bd,
        )
        unnamed = {
            ops.CreateAccount,
            ops.CreateAdminKey,
            ops.CreateWorkspace,
            ops.CreateWorker,  # an administrator names the account first
            ops.CountTasks,
            ops.ListAccounts,
            ops.ListAdminKeys,
            ops.ListAuditEntries,
            ops.ListHooks,
            ops.ListLaunches,
            ops.ListPools,
            ops.ReportWorkers,
        }
        asked = {
            kind.__name__: make(nothing)
            for kind, make in CALLS.items()
            if kind not in LISTS | unnamed and kind.access not in NOT_BY_ADMINS
        }
        found = {name: refusal(stage.bd, operation) for name, operation in asked.items()}
        assert found == dict.fromkeys(found, NotFound)
