#!/bin/sh
# Starts buildd-agent in the background, and ends the machine when the agent has ended. Terraform fills in the rest.
set -eu

# A person has started the workspace: there is no launch, and nothing to do.
test -n '${settings}' || exit 0

umask 077
mkdir -p "$HOME/.buildd"
cd "$HOME/.buildd"

# The agent reads the file in its own directory: its key is in no argument and in no environment.
printf %s '${settings}' | base64 -d > .env

{
    buildd-agent ${arguments} >> agent.log 2>&1 &
    echo "$!" > agent.pid
    wait "$!" || true
    kill -s TERM ${machine}
} < /dev/null > /dev/null 2>&1 &
