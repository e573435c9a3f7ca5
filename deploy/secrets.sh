#!/bin/sh
# Create the secrets of docker-compose.yml at random, one per file; existing files are kept.
set -eu
folder="${1:-secrets}"
mkdir -p "$folder"
# The folder keeps other users of this machine out; the files themselves must be readable by the containers' users.
chmod 700 "$folder"
for name in postgres_password label_studio_database_password galaxyloop_database_password label_studio_password \
    label_studio_api_key galaxyloop_basic_auth_password galaxyloop_webhook_secret; do
    if [ ! -s "$folder/$name" ]; then
        head -c 20 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$folder/.$name"
        chmod 444 "$folder/.$name"
        mv "$folder/.$name" "$folder/$name"
    fi
done
