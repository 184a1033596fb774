#!/bin/sh
# Starts the command that it is given. What is secret goes to it by a pipe and leaves the environment: that of a process
# stands in /proc for as long as it runs, where the agent's commands could read it.
set -eu
secrets=''
for name in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN \
  ANTHROPIC_API_KEY API_KEYS SUPABASE_URL SUPABASE_SERVICE_ROLE_KEY; do
  eval "value=\${$name-}"
  if [ -n "$value" ]; then
    secrets="$secrets$name=$value
"
  fi
  unset "$name"
done
# Not 3, on which Lambda's own runtimes write their log.
export SECRETS_PIPE=9
exec "$@" 9<<END
$secrets
END
