#!/bin/sh
# Work pool, queues, deployments and automations on the Prefect server of PREFECT_API_URL, from an environment with vadose
# on the PATH. May be repeated: queues, paused schedules, thresholds and notifications stay as an operator set them.
set -eu
: "${PREFECT_API_URL:?set it to the address of the server, such as http://127.0.0.1:4200/api}"
here=$(cd "$(dirname "$0")" && pwd)

tries=0
until prefect work-pool ls >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -ge "${DEPLOY_TRIES:-10}" ]; then
    echo "no Prefect server answers at $PREFECT_API_URL" >&2
    exit 1
  fi
  sleep 2
done

prefect --no-prompt work-pool inspect vadose >/dev/null 2>&1 || prefect work-pool create vadose --type "${POOL_TYPE:-process}"
queue() {  # queue NAME LIMIT PRIORITY: made once, then the operator's
  prefect work-queue inspect "$1" --pool vadose >/dev/null 2>&1 ||
    prefect work-queue create "$1" --pool vadose --limit "$2" --priority "$3"
}
queue schedule 1 1
queue backfill 2 10
prefect --no-prompt deploy --all --prefect-file "$here/prefect.yaml"
vadose automations
