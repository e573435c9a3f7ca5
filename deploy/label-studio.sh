#!/bin/sh
# Label Studio reads its secrets from environment variables only. This script sets them from the files that Compose mounts, and
# then runs its arguments.
set -eu
secrets="${GALAXYLOOP_SECRETS_DIR:-/run/secrets}"
LABEL_STUDIO_PASSWORD="$(cat "$secrets/label_studio_password")"
LABEL_STUDIO_USER_TOKEN="$(cat "$secrets/label_studio_api_key")"
POSTGRE_PASSWORD="$(cat "$secrets/label_studio_database_password")"
export LABEL_STUDIO_PASSWORD LABEL_STUDIO_USER_TOKEN POSTGRE_PASSWORD
exec "$@"
