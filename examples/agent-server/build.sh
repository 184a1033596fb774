#!/bin/sh
# Builds the image from a clone of amphis that is built (npm run build): build.sh [--no-cache] [other options of docker build].
# TAG names the image (agent-server), BASE another base, DOCKER another program (podman). OFFLINE=1 fetches the packages
# here, by the npm and pip of this machine, for engines whose builds have no network.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT INT TERM

# amphis is not on npm yet: it is packed from the clone, with the addon of this platform.
mkdir "$context/vendor" "$context/addon"
cp "$root/npm/linux-x64-gnu/package.json" "$root/amphis.linux-x64-gnu.node" "$root"/engine-*.so "$context/addon"
for folder in "$root" "$context/addon"; do
  (cd "$folder" && npm pack --silent --pack-destination "$context/vendor" >/dev/null)
done
rm -r "$context/addon"

mkdir "$context/agent-server"
cp -R "$here"/agent "$here"/public "$here"/scripts "$here"/server "$here"/*.mjs "$here"/package*.json "$context/agent-server"
find "$context/agent-server" -name __pycache__ -prune -exec rm -r {} +
cp -R "$here/../shared" "$context/shared"
cp "$here/Dockerfile" "$context"
if [ -n "${OFFLINE-}" ]; then
  mkdir "$context/offline"
  cp "$here"/package*.json "$context/offline"
  (
    cd "$context/offline"
    npm ci --omit=dev --no-audit --no-fund --silent
    npm install --no-save --no-audit --no-fund --silent "$context"/vendor/*.tgz
    "${PYTHON:-python3}" -m pip download --quiet --disable-pip-version-check --dest wheels -r "$here/server/requirements.txt"
  )
  set -- --build-arg OFFLINE_DIR=offline "$@"
fi
if [ -n "${BASE-}" ]; then set -- --build-arg "BASE=$BASE" "$@"; fi

"${DOCKER:-docker}" build --tag "${TAG:-agent-server}" "$@" "$context"
