#!/usr/bin/env bash
# Installs buildd-agent for the present user, below ~/.local and without sudo:
#
#     curl --proto '=https' -fsSL https://…/install-agent.sh | bash
#     curl --proto '=https' -fsSL https://…/install-agent.sh | bash -s -- --help
#
# `scripts/release.py` fills in the three values in `main`, so whoever has checked this script has
# checked all that it installs. It is one function, called on its last line: of a script that was
# cut off on its way, nothing runs.

main() {
    set -euo pipefail
    local version='@VERSION@' sha256='@SHA256@' from='@FROM@' allow_downgrade=no
    local home=${XDG_DATA_HOME:-$HOME/.local/share}/buildd-agent links=$HOME/.local/bin

    fail() {
        echo "install-agent: $1" >&2
        exit 1
    }
    # What Python computes; the programs for it have other names on other systems.
    sha256_of() { python3 -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"; }
    newer() { python3 -c 'import sys; a, b = ([int(n) for n in v.split(".")] for v in sys.argv[1:]); sys.exit(a <= b)' "$1" "$2"; }

    while (($#)); do
        case $1 in
        --allow-downgrade) allow_downgrade=yes ;;
        --from)
            from=${2:?install-agent: --from needs a URL or a directory}
            shift
            ;;
        --help | -h)
            echo "install-agent.sh [--from URL-OR-DIRECTORY] [--allow-downgrade]: installs buildd-agent $version"
            return
            ;;
        *) fail "there is no option $1; try --help" ;;
        esac
        shift
    done
    [[ $version =~ ^[0-9]+(\.[0-9]+)*$ ]] ||
        fail "this is the draft of an installer: scripts/release.py makes one of it"
    python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "Python 3.11 or newer is needed as python3, with its venv module"

    local current
    current=$(basename "$(dirname "$(dirname "$(readlink "$links/buildd-agent" || echo /none/)")")")
    if [[ $current =~ ^[0-9]+(\.[0-9]+)*$ && $allow_downgrade == no ]] && newer "$current" "$version"; then
        fail "buildd-agent $current is installed, which is newer than $version: --allow-downgrade goes back"
    fi

    local place=$home/$version
    if [[ $(cat "$place/complete" 2>/dev/null) != "$sha256" ]]; then
        local archive=buildd-agent-$version.tar.gz temporary got
        temporary=$(mktemp -d)
        # shellcheck disable=SC2064 # the variable is gone when the trap runs
        trap "rm -rf '$temporary'" EXIT
        if [[ -d $from ]]; then
            cp "$from/$archive" "$temporary/" || fail "there is no $archive in $from"
        else
            got=$(curl --proto '=https' --tlsv1.2 -fsSL --retry 3 --output "$temporary/$archive" "$from/$archive" 2>&1) ||
                fail "$from/$archive cannot be downloaded: ${got##*curl: }"
        fi
        got=$(sha256_of "$temporary/$archive")
        [[ $got == "$sha256" ]] ||
            fail "$archive is not what it should be, nothing was installed: its SHA-256 is $got, not $sha256"
        tar -xzf "$temporary/$archive" -C "$temporary"

        rm -rf "$place"
        mkdir -p "$home"
        python3 -m venv "$place"
        "$place/bin/python" -m pip --disable-pip-version-check install --quiet --require-hashes \
            --find-links "$temporary" --requirement "$temporary/requirements-agent.txt" </dev/null ||
            fail "the packages cannot be installed, and what was there before is untouched"
        "$place/bin/buildd-agent" --help </dev/null >/dev/null ||
            fail "what was installed does not run, and what was there before is untouched"
        echo "$sha256" >"$place/complete"
    fi

    mkdir -p "$links"
    local name
    for name in buildd-agent buildd; do
        ln -sfn "$place/bin/$name" "$links/.$name.new"
        mv -f "$links/.$name.new" "$links/$name"
    done
    echo "buildd-agent $version is installed: $links/buildd-agent"
    if [[ -n ${GITHUB_PATH:-} ]]; then
        echo "$links" >>"$GITHUB_PATH"
    elif [[ :$PATH: != *:$links:* ]]; then
        echo "$links is not in your PATH: export PATH=\"$links:\$PATH\""
    fi
}

main "$@"
