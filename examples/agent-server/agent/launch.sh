#!/bin/sh
# What both SDKs start as the agent's program: it drops every variable of the server's that the program does not need,
# then becomes that program, at the head of a process group of its own.
program=$CLAUDE_PROGRAM
for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
  case $name in
    CLAUDE_CODE_OAUTH_TOKEN*) unset "$name" ;;
    PATH | PWD | HOME | SHELL | USER | LANG | LC_* | TZ | TERM | TMPDIR) ;;
    ANTHROPIC_BASE_URL | ANTHROPIC_AUTH_TOKEN | AGENT_TURN) ;;
    CLAUDE_CONFIG_DIR | CLAUDE_CODE_* | CLAUDE_AGENT_SDK_* | MCP_* | DISABLE_*) ;;
    *) unset "$name" ;;
  esac
done
if command -v setsid >/dev/null; then exec setsid "$program" "$@"; fi
exec "$program" "$@"
