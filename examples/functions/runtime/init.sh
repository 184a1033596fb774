# Process 1 of a container: starts the supervisor, passes on the order to stop, and buries the dead that functions leave.
node /opt/amphis-functions/supervisor.js &
supervisor=$!
trap 'kill -TERM $supervisor' TERM INT
# `wait` returns early at a signal.
while kill -0 $supervisor 2>/dev/null; do wait $supervisor; done
