#!/bin/sh
# Writes the context of the service's own image to stdout: sh service-image.sh | docker build -f examples/functions/Dockerfile -
# Only what the image copies: a checkout is large, and not every builder knows an ignore file beside the Dockerfile.
cd "$(dirname "$0")/../.." || exit 1
exec tar --create --exclude=.cache \
  package.json ./*.js ./*.cjs ./*.node bin dist exports \
  node_modules/chokidar node_modules/readdirp node_modules/ws \
  examples/functions/Dockerfile examples/functions/package.json examples/functions/node_modules examples/functions/dist
