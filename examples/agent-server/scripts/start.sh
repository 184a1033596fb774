#!/bin/sh
# Starts the server. What is secret goes to it by a pipe (file descriptor 3) and leaves the environment: that of a process
# stands in /proc for as long as it runs, where the agents' commands could read it.
set -eu
cd "$(dirname "$0")/.."

names='ANTHROPIC_API_KEY CLAUDE_CODE_OAUTH_TOKEN API_KEYS DATABASE_URL WEBHOOK_SECRET'
secrets=''
for name in $names; do
  eval "value=\${$name-}"
  if [ -n "$value" ]; then
    secrets="$secrets$name=$value
"
  fi
  unset "$name"
done

# INIT is what runs as process 1 in a container.
exec ${INIT-} "${NODE:-node}" main.mjs 3<<END
$secrets
END
