#!/bin/sh
# Asks a running agent server for its health and for an answer: URL=http://127.0.0.1:3000 KEY=agent-… sh test_server.sh
set -eu
URL=${URL:-http://127.0.0.1:3000}

echo "health: $(curl --silent --fail "$URL/health")"
for sdk in python typescript; do
  answer=$(curl --silent --fail "$URL/query" \
    --header "Authorization: Bearer $KEY" --header 'Content-Type: application/json' \
    --data "{\"prompt\": \"Say hello in one word.\", \"sdk\": \"$sdk\"}")
  echo "$sdk: $answer"
  case $answer in
    *'"status": "completed"'*) ;;
    *) exit 1 ;;
  esac
done
