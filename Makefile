# Two commands to know: `make demo` and `make test`. Set-up is done by the first that needs it, and only
# then is the network used; every package is pinned by hash in requirements/, whatever index serves it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
WEB := .make/web/node_modules

# uv brings its own certificates unless told otherwise, and fails behind a proxy that has its own.
export UV_SYSTEM_CERTS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Where it is set, every process would compile all that it imports: that doubles what the tests take.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check audit test-real smoke-claude chaos model fuzz mutants bench format lock clean

demo: .make/run  ## a whole system at work, on an empty machine
	@$(BIN)/buildd demo

test: .make/dev  ## the tests, on SQLite and on Postgres
	@$(BIN)/pytest -m "not real" --numprocesses 4

test-real: .make/real .make/sshd .make/proxies .make/browser .make/specs .make/web  ## the tests that need big parts of others: Claude Code, sshd, nginx, a browser, GitHub's API
	@$(BIN)/pytest -m real --numprocesses 4

smoke-claude: .make/real  ## a real model fixes a test, by itself and as Claude Code (some cents; needs ANTHROPIC_API_KEY)
	@$(BIN)/python examples/claude/fix_a_test.py
	@$(BIN)/python examples/claude/fix_a_test.py --claude-code

chaos: model fuzz .make/real .make/sshd .make/browser  ## the whole proof: all long forms, then die at every statement, lose every guard, break every launch, besiege a server, kill -9 everything (CHAOS=--help)
	@BUILDD_LONG=1 $(BIN)/pytest $$(grep --recursive --files-with-matches --include='test_*.py' BUILDD_LONG tests)
	@$(BIN)/python -m tests.faults
	@$(BIN)/python -m tests.mutants
	@$(BIN)/python -m tests.dispatch
	@$(BIN)/python -m tests.agent.day
	@$(BIN)/python -m tests.server.siege
	@$(BIN)/python -m tests.chaos $(CHAOS)

model: .make/dev  ## 25,000 random steps on each database, compared with a model after each
	@BUILDD_MODEL_STEPS=25000 $(BIN)/pytest tests/model

fuzz: .make/dev  ## 20,000 requests and more that the API's document allows or forbids, by three tenants
	@$(BIN)/python -m tests.fuzz

mutants: .make/dev  ## take every guard away in a copy, and see that a test fails
	@$(BIN)/python -m tests.mutants

bench: .make/dev .make/bench  ## how fast it is, beside its peers and what the machine can do at most (BENCH=--help)
	@$(BIN)/python -m tests.bench $(BENCH)

check: .make/dev .make/web  ## every gate that reads the code without running it
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive src --severity-level medium --configfile pyproject.toml
	$(BIN)/python scripts/unasync.py --check
	$(BIN)/python scripts/docs.py --check
	$(BIN)/python scripts/web_types.py --check
	$(WEB)/.bin/tsc --project .
	$(WEB)/.bin/tsc --project tests/web
	$(WEB)/@biomejs/cli-*/biome check --error-on-warnings

screenshots: .make/real .make/browser  ## the pictures of the dashboard in the docs, taken of an office that is played
	@$(BIN)/python -m tests.pictures

audit: .make/dev  ## known holes in what is installed with buildd (asks an index of vulnerabilities)
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/run.txt

format: .make/dev .make/web  ## rewrite what the gates can rewrite
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python scripts/unasync.py
	$(BIN)/python scripts/docs.py
	$(BIN)/python scripts/web_types.py
	$(WEB)/@biomejs/cli-*/biome check --write

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --upgrade
EVERYTHING := pyproject.toml --extra mcp --extra otel --extra postgres --extra s3
lock: .make/dev  ## take the newest versions of everything
	echo uv | $(COMPILE) - --output-file requirements/bootstrap.txt
	$(COMPILE) pyproject.toml --group build --output-file requirements/run.txt
	$(COMPILE) $(EVERYTHING) --group dev --constraints requirements/run.txt --output-file requirements/dev.txt
	$(COMPILE) $(EVERYTHING) --group real --extra claude-code --constraints requirements/dev.txt \
	    --output-file requirements/real.txt
	$(COMPILE) $(EVERYTHING) --group build --constraints requirements/dev.txt \
	    --output-file requirements/server.txt
	printf '%s\n' asyncpg pgqueuer procrastinate uvloop | $(COMPILE) - --output-file requirements/bench.txt
	cd requirements/bench && npm install --package-lock-only graphile-worker@0.17  # 0.18 wants a newer Node.js
	cd requirements/web && lock() { npm install --package-lock-only "$$@"; } \
	    && lock @biomejs/cli-linux-{arm64,x64}@latest @types/node@20 axe-core@latest typescript@latest \
	    && lock  # only in a second look npm puts what is optional into its place
	sed --in-place --null-data --regexp-extended 's/,\n *"funding": (\{[^}]*\}|\[[^]]*\]|"[^"]*")//g' \
	    requirements/{bench,web}/package-lock.json

clean:  ## forget the set-up
	rm -rf .venv .make

# pip's own settings (mirrors, proxies) are unknown to uv, so pip takes over where uv cannot download.
install = { $(BIN)/uv pip install --quiet --python $(BIN)/python $(1) \
    || { echo "buildd: installing with pip instead of uv" >&2; $(BIN)/pip install --quiet $(1); }; }

.make/real: .make/dev requirements/real.txt
	@echo "buildd: installing Claude Code, which is large" >&2
	@$(call install,--require-hashes -r requirements/real.txt)
	@touch $@

# Where an init runs, the packages would open ports to the world: that is for the machine's owner to decide.
packages = { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && ! test -d /run/systemd/system || { \
        echo "buildd: the tests need what Debian has: apt-get install $(1)" >&2; exit 1; }; \
    echo "buildd: installing $(1)" >&2; \
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
    apt-get install -qq -y --no-install-recommends $(1) >/dev/null 2>&1 || { apt-get update -qq \
        && apt-get install -qq -y --no-install-recommends $(1) >/dev/null; }; }

.make/sshd: .make/dev
	@PATH="$$PATH:/usr/sbin"; command -v sshd >/dev/null || $(call packages,openssh-server)
	@touch $@

.make/proxies: .make/dev
	@PATH="$$PATH:/usr/sbin"; command -v nginx >/dev/null && command -v pgbouncer >/dev/null \
	    || $(call packages,nginx-light pgbouncer)
	@touch $@

.make/browser: .make/dev
	@command -v chromium >/dev/null || $(call packages,chromium)
	@touch $@

# What GitHub says of its API is GitHub's to publish: it is fetched from wherever npm looks, and never kept.
.make/specs: requirements/specs.txt
	@command -v npm >/dev/null || { \
	    echo "buildd: what GitHub says of its API comes by npm: install Node.js, which has it" >&2; exit 1; }
	@echo "buildd: fetching what GitHub says of its API" >&2
	@rm -rf $@ $@.part && mkdir -p $@.part
	@cd $@.part; while read -r package sum path name; do \
	    tarball="$$(npm pack --loglevel=error "$$package")"; \
	    echo "$$sum  $$tarball" | sha512sum --check --quiet; \
	    tar -xzOf "$$tarball" "package/$$path" > "$$name"; rm "$$tarball"; \
	    done < "$(CURDIR)/requirements/specs.txt"
	@mv $@.part $@

# What reads the dashboard's JavaScript. The dashboard itself needs none of it, and no step that builds it.
.make/web: requirements/web/package.json requirements/web/package-lock.json
	@command -v npm >/dev/null || { \
	    echo "buildd: what checks the dashboard's JavaScript comes by npm: install Node.js, which has it" >&2; exit 1; }
	@echo "buildd: installing what checks the dashboard's JavaScript" >&2
	@rm -rf $@ $@.part && mkdir -p $@.part
	@cp -R requirements/web/. $@.part
	@cd $@.part && npm ci --loglevel=error
	@mv $@.part $@

# Whom the benchmarks compare buildd with: apart from it, so that nothing of theirs gets into a test.
.make/bench: .make/dev requirements/bench.txt requirements/bench/package.json requirements/bench/package-lock.json
	@command -v node >/dev/null && command -v npm >/dev/null || { \
	    echo "buildd: one of its peers runs on Node.js and comes by npm: install Node.js, which has it" >&2; exit 1; }
	@echo "buildd: installing whom it is compared with" >&2
	@rm -rf $@ $@.part && $(PYTHON) -m venv $@.part && cp -R requirements/bench/. $@.part
	@$(BIN)/uv pip install --quiet --python $@.part/bin/python --require-hashes -r requirements/bench.txt \
	    || { echo "buildd: installing with pip instead of uv" >&2; \
	        $@.part/bin/python -m pip install --quiet --require-hashes -r requirements/bench.txt; }
	@cd $@.part && npm ci --loglevel=error
	@mv $@.part $@

.make/dev: .make/run requirements/dev.txt
	@echo "buildd: installing what the tests need" >&2
	@$(call install,--require-hashes -r requirements/dev.txt)
	@touch $@

.make/run: .make/venv requirements/run.txt pyproject.toml
	@echo "buildd: installing what the demo needs" >&2
	@$(call install,--require-hashes -r requirements/run.txt)
	@$(call install,--no-deps --no-build-isolation --editable .)
	@touch $@

.make/venv: requirements/bootstrap.txt
	@found="$$($(PYTHON) --version 2>&1)" || found="no $(PYTHON)"; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "buildd needs Python 3.11 or newer and found $$found: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	    test "$$(id -u)" = 0 && command -v apt-get >/dev/null || { \
	        echo "buildd needs Python's venv module: apt-get install python3-venv" >&2; exit 1; }; \
	    echo "buildd: installing python3-venv" >&2; \
	    apt-get install -qq -y python3-venv >/dev/null 2>&1 \
	        || { apt-get update -qq && apt-get install -qq -y python3-venv >/dev/null; }; }
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/pip install --quiet --require-hashes -r requirements/bootstrap.txt \
	    || echo "buildd: no uv here, so the set-up takes a little longer" >&2
	@mkdir -p .make
	@touch $@
