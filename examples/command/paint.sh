#!/bin/sh
# A program that does tasks: buildd-agent --command ./paint.sh
# It finds the task on standard input (and in $BUILDD_TASK_FILE, and as JSON in $BUILDD_TASK_JSON).
set -eu

echo "reading the task: $(head -n 1)"

# Waits for a person, however long; the task is kept meanwhile.
colour=$(buildd agent ask "Which colour?" --option red --option blue)
echo "painting it $colour"
echo "$BUILDD_CONTROL progress=50"

# What is left in the worktree is committed; a JSON object in this file becomes the result.
echo "$colour" > door.txt
printf '{"door": "%s"}' "$colour" > "$BUILDD_RESULT_FILE"
