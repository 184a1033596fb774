#!/bin/sh
# Process 1 becomes tini, which starts the server, passes signals on and reaps what agents leave behind.
set -eu
if [ ! -w "$DATA_DIR" ]; then
  echo "$DATA_DIR cannot be written by $(id -un) (uid $(id -u)): chown it, or mount a volume there" >&2
  exit 1
fi
INIT='tini --' exec /bin/sh "$(dirname "$0")/start.sh"
