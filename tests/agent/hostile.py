"""What a hostile repository or task tries. Each script is run by an agent's obedient command.

`$CANARY` is a file outside of the worktree that nothing may make, `$HOUSE` a directory of the
person's own, with a private file and a private repository. No script makes the file by itself: it
leaves that to what runs git, or anything else, after it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One attack, and how the task that carries it may end."""

    script: str
    ends: frozenset[str] = frozenset({"completed"})
    clone: bool = False
    """In a clone that is pushed, instead of the person's checkout; then the next task follows."""
    title: str = "Fix the login test"
    said: tuple[str, ...] = ()
    """What must stand in what the attempt said: that the script really ran."""


_EITHER = frozenset({"completed", "failed"})
_BAIT = "echo bait >> README.md; echo bait > bait.txt; "
_HEX = "od -An -v -tx1 | tr -d ' \\n'; echo"
_AGENTS = "for p in $(grep -alE 'buildd[.]cli[.]agent' /proc/[0-9]*/cmdline | cut -d/ -f3); do "

CASES = {
    # What the programs of a task find around them.
    "dumps its environment": Case(
        f"env; export -p; cat /proc/self/environ | tr '\\0' '\\n'; env | {_HEX}; echo dumped",
        said=("dumped", "BUILDD_TASK_ID"),
    ),
    "reads the environment of the agent": Case(
        f"{_AGENTS} cat /proc/$p/environ | tr '\\0' '\\n'; cat /proc/$p/environ | {_HEX}; done 2>&1;"
        f"cat /proc/$PPID/environ | {_HEX}; echo tried",
        said=("tried",),
    ),
    "reads the memory, the files and the arguments of the agent": Case(
        f"{_AGENTS} cat /proc/$p/maps; head -c 99 /proc/$p/mem; ls -l /proc/$p/fd; "
        f"tr '\\0' ' ' < /proc/$p/cmdline; cat /proc/$p/fd/* | {_HEX}; done 2>&1 | head -c 200000;"
        "echo tried",
        said=("tried", "buildd.cli.agent"),
    ),
    "prints a secret that it was given, a letter at a time": Case(
        'for i in $(seq 1 60); do printf "%s" "$(printf %s "$DEPLOY_TOKEN" | cut -c$i)"; '
        'test $i = 17 && sleep 1.2; done; echo; echo "$DEPLOY_TOKEN" > token.txt; echo printed; '
        'echo "$DEPLOY_TOKEN" >&2; exit 3',
        ends=frozenset({"failed"}),
        said=("printed", "[redacted]"),
    ),
    "leaves a .env for the agent to load": Case(
        "for d in . .. ../..; do printf 'BUILDD_SERVER=http://127.0.0.1:1\\nBUILDD_COMMAND=touch "
        '%s\\nBUILDD_API_KEY=x\\n\' "$CANARY" > $d/.env; done'
    ),
    "leaves a process behind": Case(
        "setsid sh -c 'exec setsid sh -c \"sleep 600 && touch $CANARY\"' >/dev/null 2>&1 & "
        "nohup sleep 601 >/dev/null 2>&1 & echo left",
        said=("left",),
    ),
    "prints what a terminal obeys": Case(
        r"printf '\033]0;owned\007\033[2J\033[31mred\r\n\302\233 2J'; : > \"$(printf 'a\033[31mb')\";"
        r"printf 'x\033[2Jx\n' > f; exit 3",
        ends=frozenset({"failed"}),
        title="Fix \x1b]0;owned\x07\x1b[2J it",
    ),
    "prints a line without an end": Case("head -c 5000000 /dev/zero | tr '\\0' a; echo; echo end"),
    # What a repository's configuration names is not run.
    "writes hooks": Case(
        'c="$(git rev-parse --git-common-dir)"; g="$(git rev-parse --git-dir)"; '
        "for h in applypatch-msg pre-commit prepare-commit-msg commit-msg post-commit post-checkout "
        "post-index-change reference-transaction pre-push post-merge fsmonitor-watchman; do "
        'for d in "$c/hooks" "$g/hooks" .githooks; do mkdir -p $d; '
        "printf '#!/bin/sh\\ntouch %s\\n' \"$CANARY\" > $d/$h; chmod +x $d/$h; done; done; "
        f"git config core.hooksPath .githooks; {_BAIT}",
        clone=True,
    ),
    "puts other contents in place of the default branch": Case(
        "echo evil > README.md; git add .; git -c user.name=a -c user.email=a@b commit -qm evil; "
        "git replace refs/remotes/origin/main HEAD; git update-ref refs/remotes/origin/main HEAD; "
        "git symbolic-ref refs/remotes/origin/HEAD refs/heads/evil",
        clone=True,
    ),
    "sets a file system monitor": Case(f'git config core.fsmonitor "touch $CANARY;"; {_BAIT}'),
    "sets an ssh command": Case(
        f'git config core.sshCommand "touch $CANARY;"; git config remote.origin.url a@b:c; {_BAIT}',
        clone=True,
    ),
    "sets another transport": Case(
        'git config url."ext::touch $CANARY %S ".insteadOf "$(git config remote.origin.url)"; '
        'git config protocol.ext.allow always; git config remote.origin.vcs "ext"; '
        f'git config core.gitProxy "touch $CANARY;"; {_BAIT}',
        clone=True,
    ),
    "sets what runs at the remote": Case(
        'for k in receivepack uploadpack; do git config remote.origin.$k "touch $CANARY;"; done; '
        'git config core.alternateRefsCommand "touch $CANARY;"; '
        f'git config uploadpack.packObjectsHook "touch $CANARY;"; {_BAIT}',
        clone=True,
    ),
    "sends the push elsewhere": Case(
        'git config remote.origin.pushurl "$HOUSE/elsewhere.git"; '
        'git config url."$HOUSE/elsewhere.git".pushInsteadOf "$(git config remote.origin.url)"; '
        f"git config http.proxy http://127.0.0.1:1; git config http.sslVerify false; {_BAIT}",
        clone=True,
    ),
    "sets credential helpers": Case(
        'git config credential.helper "!touch $CANARY;"; git config core.askPass "touch $CANARY"; '
        f"git config remote.origin.url http://127.0.0.1:1/x; {_BAIT}",
        clone=True,
    ),
    "sets filters": Case(
        'for k in clean smudge process; do git config filter.evil.$k "touch $CANARY; cat"; '
        'git config "filter.e=v.il.$k" "touch $CANARY; cat"; done; '
        f"printf '* filter=evil\\n*.md filter=e=v.il\\n' > .gitattributes; {_BAIT}"
    ),
    "sets filters for its worktree alone": Case(
        "git config extensions.worktreeConfig true; "
        'git config --worktree filter.evil.clean "touch $CANARY; cat"; '
        'git config --worktree core.fsmonitor "touch $CANARY;"; '
        'c="$(git rev-parse --git-common-dir)"; mkdir -p $c/info; echo "* filter=evil" > '
        f"$c/info/attributes; {_BAIT}"
    ),
    "sets filters that may not fail": Case(
        'git config filter.evil.clean "touch $CANARY; cat"; git config filter.evil.required true; '
        f"echo '* filter=evil' > .gitattributes; {_BAIT}",
        ends=frozenset({"failed"}),
    ),
    "sets programs that show differences": Case(
        'git config diff.external "touch $CANARY;"; git config diff.evil.textconv "touch $CANARY;"; '
        'git config diff.evil.command "touch $CANARY;"; git config core.pager "touch $CANARY;"; '
        'git config interactive.diffFilter "touch $CANARY;"; git config color.ui always; '
        f"echo '* diff=evil merge=evil' > .gitattributes; "
        f'git config merge.evil.driver "touch $CANARY;"; {_BAIT}'
    ),
    "sets programs that sign": Case(
        'git config gpg.program "$PWD/sign"; git config gpg.ssh.program "$PWD/sign"; '
        "git config commit.gpgSign true; git config log.showSignature true; "
        "git config push.gpgSign true; printf '#!/bin/sh\\ntouch %s\\n' \"$CANARY\" > sign; "
        "chmod +x sign; t=$(git write-tree); p=$(git rev-parse HEAD); "
        "c=$(printf 'tree %s\\nparent %s\\nauthor a <a@b> 1 +0000\\ncommitter a <a@b> 1 +0000\\n"
        "gpgsig -----BEGIN PGP SIGNATURE-----\\n \\n x\\n -----END PGP SIGNATURE-----\\n\\nsigned\\n' "
        f"$t $p | git hash-object -t commit -w --stdin); git reset -q --soft $c; {_BAIT}"
    ),
    "includes a configuration": Case(
        "printf '[filter \"evil\"]\\n\\tclean = touch %s\\n[core]\\n\\tfsmonitor = touch %s;\\n' "
        '"$CANARY" "$CANARY" > settings; git config include.path "$PWD/settings"; '
        'git config includeIf.onbranch:**.path "$PWD/settings"; '
        f"echo '* filter=evil' > .gitattributes; {_BAIT}"
    ),
    "gives the commands of git other meanings": Case(
        "for a in add status commit diff log push fetch config rev-parse worktree; do "
        f'git config alias.$a "!touch $CANARY;"; done; git config core.editor "touch $CANARY;"; {_BAIT}',
        clone=True,
    ),
    # Repositories in the repository, and where it says it is.
    "has submodules at strange addresses": Case(
        'printf \'[submodule "x"]\\n\\tpath = x\\n\\turl = ext::sh -c "touch %s"\\n\\tupdate = '
        '!touch %s\\n\\tignore = none\\n\' "$CANARY" "$CANARY" > .gitmodules; '
        'git config submodule.x.url "ext::touch $CANARY"; git config submodule.x.update '
        '"!touch $CANARY"; git config submodule.recurse true; mkdir x; '
        f"git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),x; {_BAIT}",
        ends=_EITHER,
    ),
    "has a repository inside that defines filters": Case(
        "git init -q in; cd in; echo a > a; git add a; git -c user.name=a -c user.email=a@b commit -qm a;"
        "cd ..; git add in 2>/dev/null; git config diff.ignoreSubmodules none; "
        "printf '[submodule \"in\"]\\n\\tpath = in\\n\\turl = ./in\\n\\tignore = none\\n' > .gitmodules; "
        'cd in; git config filter.evil.clean "touch $CANARY; cat"; git config core.fsmonitor '
        "\"touch $CANARY;\"; echo '* filter=evil' > .gitattributes; echo b > a",
        ends=_EITHER,
    ),
    "says that its files are elsewhere": Case(
        "git config extensions.worktreeConfig true; git config --worktree core.worktree $HOUSE; "
        f"git config core.worktree $HOUSE; {_BAIT}",
        ends=_EITHER,
    ),
    "points its .git at a private repository": Case(
        'echo "gitdir: $HOUSE/private/.git" > .git; echo bait > bait.txt',
        ends=frozenset({"failed"}),
    ),
    "puts a repository of its own in place of .git": Case(
        "rm .git; git init -q .; printf '#!/bin/sh\\ntouch %s\\n' \"$CANARY\" > .git/hooks/pre-commit; "
        'chmod +x .git/hooks/pre-commit; git config core.fsmonitor "touch $CANARY;"; echo a > bait.txt',
        ends=frozenset({"failed"}),
    ),
    "links .git to a private repository": Case(
        "rm .git; ln -s $HOUSE/private/.git .git; echo bait > bait.txt",
        ends=frozenset({"failed"}),
    ),
    "moves the repository to a private one": Case(
        'echo "$HOUSE/private/.git" > "$(git rev-parse --git-dir)/commondir"; echo bait > bait.txt',
        ends=frozenset({"failed"}),
    ),
    "points its .git at a pipe": Case(
        "d=$(mktemp -d); mkdir -p $d/worktrees/x; mkfifo $d/worktrees/x/gitdir; "
        'echo "gitdir: $d/worktrees/x" > .git',
        ends=frozenset({"failed"}),
    ),
    "borrows the objects of a private repository": Case(
        'c="$(git rev-parse --git-common-dir)"; echo "$HOUSE/private/.git/objects" > '
        "$c/objects/info/alternates; mkdir -p $c/objects/info/commit-graphs; "
        f"head -c 999 /dev/urandom > $c/objects/info/commit-graph; {_BAIT}",
        ends=_EITHER,
    ),
    # Files that are not what they seem.
    "links out of the worktree": Case(
        "ln -s $HOUSE/id_rsa key; ln -s $HOUSE house; ln -s / root; ln -s $HOUSE/id_rsa .gitignore; "
        "ln -s ../../../../../../etc/passwd up; ln -s $CANARY made"
    ),
    "names files like options": Case(
        'touch -- "--upload-pack=touch $(basename $CANARY)" -c --all "--output=out" -rf "a\nb" '
        "'$(touch pwned)' '`id`' \"'; touch pwned; '\" ':(top)x' ':!y' '*'; "
        'git branch -- "x;touch-pwned" || true'
    ),
    "leaves locks": Case(
        'g="$(git rev-parse --git-dir)"; touch $g/index.lock; touch $g/HEAD.lock; ' + _BAIT,
        ends=_EITHER,
    ),
    "leaves pipes and sockets": Case(
        "mkdir sub; mkfifo p .gitignore .gitattributes .gitmodules .mailmap sub/.gitignore "
        "sub/.gitattributes; python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('s')\"; "
        "echo a > sub/a"
    ),
    "leaves a large file": Case(
        "head -c 60000000 /dev/zero | tr '\\0' 'a\\n' > large.txt; truncate -s 1G sparse.bin; "
        "echo sparse.bin > .gitignore"
    ),
    "puts links where the agent writes": Case(
        'd="$(dirname "$BUILDD_TASK_FILE")"; for f in changes.diff diff out result.json; do '
        f'rm -f "$d/$f"; ln -s $CANARY "$d/$f"; done; c="$(git rev-parse --git-common-dir)"; '
        f"ln -s $CANARY $c/config.new; ln -s $CANARY $c/config.lock || true; {_BAIT}",
        ends=_EITHER,
    ),
    # What the task itself says.
    "has a title for a shell": Case(
        _BAIT,
        title="--upload-pack=touch$IFS'x'; touch pwned; $(touch pwned) `touch pwned` \\ \" ' && x |",
        clone=True,
    ),
    "has a title of many lines": Case(
        _BAIT, title="a\n\nCo-authored-by: x <x@y>\r\n-F /etc/passwd\n\x00".replace("\x00", "")
    ),
    "has a title of strange letters": Case(
        _BAIT, title="../../../../etc/passwd\u202e @{-1} ~^:?*[\\ .lock/.. \u2066\U0001f4a9"
    ),
}
