#!/bin/sh
# Label Studio reads its secrets from the environment only: this takes them from the files that compose mounts, then becomes it.
set -eu
secrets="${GALAXYLOOP_SECRETS_DIR:-/run/secrets}"
LABEL_STUDIO_PASSWORD="$(cat "$secrets/label_studio_password")"
LABEL_STUDIO_USER_TOKEN="$(cat "$secrets/label_studio_api_key")"
POSTGRE_PASSWORD="$(cat "$secrets/label_studio_database_password")"
export LABEL_STUDIO_PASSWORD LABEL_STUDIO_USER_TOKEN POSTGRE_PASSWORD
exec "$@"
