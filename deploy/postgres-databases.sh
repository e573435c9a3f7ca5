#!/bin/sh
# PostgreSQL's image runs this once, on an empty volume: a database and a user each for Label Studio and galaxyloop, of which
# neither can look into the other's.
set -eu
for name in label_studio galaxyloop; do
    PASSWORD_FILE="${GALAXYLOOP_SECRETS_DIR:-/run/secrets}/${name}_database_password"
    export PASSWORD_FILE
    psql --set ON_ERROR_STOP=1 --set name="$name" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set password `cat "$PASSWORD_FILE"`
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
done
