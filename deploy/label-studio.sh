#!/bin/sh
# Label Studio reads its secrets from environment variables only. This script sets them from the files that Compose mounts, sets
# the networks that Label Studio must not call, and then runs its arguments.
set -eu
secrets="${GALAXYLOOP_SECRETS_DIR:-/run/secrets}"
LABEL_STUDIO_PASSWORD="$(cat "$secrets/label_studio_password")"
LABEL_STUDIO_USER_TOKEN="$(cat "$secrets/label_studio_api_key")"
POSTGRE_PASSWORD="$(cat "$secrets/label_studio_database_password")"
export LABEL_STUDIO_PASSWORD LABEL_STUDIO_USER_TOKEN POSTGRE_PASSWORD
LABEL_STUDIO_USER_ADDITIONAL_BANNED_SUBNETS="$(python3 "$(dirname "$0")/banned_subnets.py" "$GALAXYLOOP_SUBNET" "$GALAXYLOOP_GATEWAY")"
export LABEL_STUDIO_USER_ADDITIONAL_BANNED_SUBNETS
exec "$@"
