"""The things that GitHub shows, with everything that it always shows of them.

What buildd reads is little; the rest is here so that the far end answers as GitHub would.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Any

REPOSITORY_ID = 1296269
DAY = "2026-03-01T09:00:00Z"

_OF_USER = (
    "followers following{/other_user} gists{/gist_id} starred{/owner}{/repo} subscriptions orgs "
    "repos events{/privacy} received_events"
)
_OF_REPOSITORY = (
    "assignees{/user} branches{/branch} collaborators{/collaborator} comments{/number} "
    "commits{/sha} contributors deployments downloads events forks hooks issues{/number} "
    "keys{/key_id} labels{/name} languages merges milestones{/number} "
    "notifications{?since,all,participating} pulls{/number} releases{/id} stargazers "
    "statuses/{sha} subscribers subscription tags teams"
)
_NONE_YET = (
    "forks forks_count network_count open_issues open_issues_count size stargazers_count "
    "subscribers_count watchers watchers_count"
)
_FLAGS = "archived disabled fork has_discussions has_downloads has_issues has_pages has_projects has_wiki"


def user(api: str, login: str) -> dict[str, Any]:
    """Somebody, as part of something else."""
    url = f"{api}/users/{login}"
    more = {f"{_name(path)}_url": f"{url}/{path}" for path in _OF_USER.split()}
    more["organizations_url"] = more.pop("orgs_url")
    return {
        "login": login,
        "id": 583231,
        "node_id": "MDQ6VXNlcjU4MzIzMQ==",
        "type": "User",
        "site_admin": False,
        "avatar_url": f"{api}/avatars/u/583231",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{api}/{login}",
        **more,
    }


def repository(url: str, page: str) -> dict[str, Any]:
    """A repository by its address in the API and its page."""
    api, _, name = url.partition("/repos/")
    owner, _, short = name.partition("/")
    return {
        "id": REPOSITORY_ID,
        "node_id": "MDEwOlJlcG9zaXRvcnkxMjk2MjY5",
        "name": short,
        "full_name": name,
        "owner": user(api, owner),
        "private": True,
        "default_branch": "main",
        "permissions": {"pull": True, "push": True, "admin": False},
        "url": url,
        "html_url": page,
        "clone_url": f"{page}.git",
        "svn_url": page,
        "git_url": f"git:{name}.git",
        "ssh_url": f"git@{name}.git",
        "archive_url": f"{url}/{{archive_format}}{{/ref}}",
        "compare_url": f"{url}/compare/{{base}}...{{head}}",
        "contents_url": f"{url}/contents/{{+path}}",
        "issue_comment_url": f"{url}/issues/comments{{/number}}",
        "issue_events_url": f"{url}/issues/events{{/number}}",
        **{f"git_{kind}_url": f"{url}/git/{kind}{{/sha}}" for kind in ("commits", "refs", "tags")},
        **{f"{kind}_url": f"{url}/git/{kind}{{/sha}}" for kind in ("blobs", "trees")},
        **{f"{_name(path)}_url": f"{url}/{path}" for path in _OF_REPOSITORY.split()},
        **dict.fromkeys(_NONE_YET.split(), 0),
        **dict.fromkeys(_FLAGS.split(), False),
        **dict.fromkeys(("description", "homepage", "language", "license", "mirror_url")),
        **dict.fromkeys(("created_at", "pushed_at", "updated_at"), DAY),
    }


def pull(of: dict[str, Any], number: int, head: str, base: str, told: dict[str, Any]) -> Any:
    """An open pull request in a repository."""
    url, page = f"{of['url']}/pulls/{number}", f"{of['html_url']}/pull/{number}"
    issue = f"{of['url']}/issues/{number}"
    links = {
        "self": url,
        "html": page,
        "issue": issue,
        "comments": f"{issue}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{of['url']}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{of['url']}/statuses/{sha(head)}",
    }
    shown = {f"{name}_url": link for name, link in links.items() if name != "self"}
    return {
        "id": 1_900_000_000 + number,
        "node_id": f"PR_{number}",
        "number": number,
        "state": "open",
        "title": told["title"],
        "body": told["body"],
        "draft": told["draft"],
        "user": of["owner"],
        "head": _end(of, head),
        "base": _end(of, base),
        "labels": [],
        "locked": False,
        "author_association": "OWNER",
        "url": url,
        **shown,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "_links": {name: {"href": link} for name, link in links.items()},
        "merged": False,
        "mergeable": None,
        "mergeable_state": "unknown",
        "maintainer_can_modify": False,
        **dict.fromkeys(("created_at", "updated_at"), DAY),
        **dict.fromkeys(("assignee", "auto_merge", "closed_at", "merge_commit_sha", "merged_at")),
        **dict.fromkeys(("merged_by", "milestone")),
        **dict.fromkeys(("additions", "changed_files", "comments", "commits", "deletions"), 0),
        "review_comments": 0,
    }


def run(of: dict[str, Any], number: int, file: str, told: dict[str, Any]) -> dict[str, Any]:
    """A run of a workflow, of which the rest is told."""
    url, page = f"{of['url']}/actions/runs/{number}", f"{of['html_url']}/actions/runs/{number}"
    person = {"name": of["owner"]["login"], "email": "somebody@example.com"}
    commit = {
        "id": sha("main"),
        "tree_id": sha("tree"),
        "message": "first",
        "timestamp": DAY,
        "author": person,
        "committer": person,
    }
    return {
        "id": number,
        "node_id": f"WFR_{number}",
        "run_number": 1,
        "run_attempt": 1,
        "workflow_id": 161335,
        "path": f".github/workflows/{file}",
        "head_branch": "main",
        "head_sha": sha("main"),
        "head_commit": commit,
        "repository": of,
        "head_repository": of,
        "actor": of["owner"],
        "triggering_actor": of["owner"],
        "pull_requests": [],
        "url": url,
        "html_url": page,
        "workflow_url": f"{of['url']}/actions/workflows/161335",
        "check_suite_url": f"{of['url']}/check-suites/{number}",
        **{f"{what}_url": f"{url}/{what}" for what in ("jobs", "logs", "cancel", "rerun")},
        "artifacts_url": f"{url}/artifacts",
        **dict.fromkeys(("created_at", "run_started_at", "updated_at"), DAY),
        **told,
    }


def installation(api: str, app: int, owner: str) -> dict[str, Any]:
    """An App in the repositories of an owner."""
    return {
        "id": 7,
        "app_id": app,
        "app_slug": "buildd",
        "account": user(api, owner),
        "target_id": 583231,
        "target_type": "User",
        "repository_selection": "all",
        "permissions": {"contents": "write", "metadata": "read"},
        "events": [],
        "single_file_name": None,
        "access_tokens_url": f"{api}/app/installations/7/access_tokens",
        "repositories_url": f"{api}/installation/repositories",
        "html_url": f"{api}/settings/installations/7",
        "suspended_at": None,
        "suspended_by": None,
        **dict.fromkeys(("created_at", "updated_at"), DAY),
    }


def _end(of: dict[str, Any], branch: str) -> dict[str, Any]:
    owner = of["owner"]
    label = f"{owner['login']}:{branch}"
    return {"label": label, "ref": branch, "sha": sha(branch), "repo": of, "user": owner}


def _name(path: str) -> str:
    return path.replace("/", "{").partition("{")[0]


def sha(of: str) -> str:
    """What git could have called it."""
    return sha1(of.encode(), usedforsecurity=False).hexdigest()


def label(name: str) -> dict[str, Any]:
    """A label of an issue."""
    about = {"id": 208045946, "node_id": "MDU6TGFiZWwyMDgwNDU5NDY=", "color": "d73a4a"}
    url = f"https://api.github.com/repos/acme/shop/labels/{name}"
    return {**about, "url": url, "name": name, "default": False, "description": None}


def issue(of: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """Issue 12 of a repository: open, of somebody who may write there, unless something else is told."""
    number = told.pop("number", 12)
    url, names = f"{of['url']}/issues/{number}", told.pop("labels", ["buildd"])
    links = {f"{_name(path)}_url": f"{url}/{path}" for path in ("comments", "events", "timeline")}
    return {
        "id": 444_500_000 + number,
        "node_id": f"I_{number}",
        "number": number,
        "title": "The login fails",
        "body": "Since Monday.",
        "state": "open",
        "user": {**of["owner"], "id": 11, "login": "anna"},
        "author_association": "COLLABORATOR",
        "labels": [label(name) for name in names],
        "url": url,
        "html_url": f"{of['html_url']}/issues/{number}",
        "repository_url": of["url"],
        "labels_url": f"{url}/labels{{/name}}",
        **links,
        "comments": 0,
        "locked": False,
        "assignees": [],
        "reactions": _reactions(url),
        **dict.fromkeys(("assignee", "milestone", "closed_at", "active_lock_reason")),
        "created_at": DAY,
        "updated_at": DAY,
        **told,
    }


def comment(of: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """A comment on an issue, of its author unless something else is told."""
    number = told.pop("id", 99_262_140)
    url = f"{of['repository_url']}/issues/comments/{number}"
    return {
        "id": number,
        "node_id": f"IC_{number}",
        "url": url,
        "html_url": f"{of['html_url']}#issuecomment-{number}",
        "issue_url": of["url"],
        "user": of["user"],
        "author_association": of["author_association"],
        "body": "And also on Tuesday.",
        "reactions": _reactions(url),
        "created_at": DAY,
        "updated_at": DAY,
        "performed_via_github_app": None,
        **told,
    }


def _reactions(url: str) -> dict[str, Any]:
    kinds = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    return {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(kinds, 0)}


def suite(of: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """The checks that an app has made of a commit, through; of what, is told."""
    url, person = f"{of['url']}/check-suites/1", {"name": "anna", "email": "anna@example.com"}
    tip = {"id": sha("main"), "tree_id": sha("tree"), "message": "first", "timestamp": DAY}
    return {
        "id": 1,
        "node_id": "CS_1",
        "status": "completed",
        "conclusion": "failure",
        "url": url,
        "before": sha("before"),
        "after": sha("after"),
        "pull_requests": [],
        "app": app(of),
        "latest_check_runs_count": 1,
        "check_runs_url": f"{url}/check-runs",
        "head_commit": {**tip, "author": person, "committer": person},
        **dict.fromkeys(("created_at", "updated_at"), DAY),
        **told,
    }


def check(of: dict[str, Any], within: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """One check of a suite, through."""
    url = f"{of['url']}/check-runs/2"
    counts = {"annotations_count": 0, "annotations_url": f"{url}/annotations"}
    return {
        "id": 2,
        "node_id": "CR_2",
        "name": "lint",
        "external_id": "",
        "status": "completed",
        "conclusion": "failure",
        "url": url,
        "html_url": f"{of['html_url']}/runs/2",
        "details_url": f"{of['html_url']}/runs/2",
        "head_sha": within["head_sha"],
        "output": {**dict.fromkeys(("title", "summary", "text")), **counts},
        "check_suite": within,
        "app": within["app"],
        "pull_requests": within["pull_requests"],
        **dict.fromkeys(("started_at", "completed_at"), DAY),
        **told,
    }


def app(of: dict[str, Any]) -> dict[str, Any]:
    """Who checks."""
    page = "https://github.com/apps/checks"
    names = {"id": 15368, "node_id": "A_1", "slug": "checks", "name": "Checks", "description": ""}
    links = dict.fromkeys(("external_url", "html_url"), page)
    return {
        **names,
        **links,
        "owner": of["owner"],
        "permissions": {},
        "events": [],
        **dict.fromkeys(("created_at", "updated_at"), DAY),
    }
