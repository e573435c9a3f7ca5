#!/bin/sh
# Create a database and a user each for Label Studio and galaxyloop; neither user can open the other's database. PostgreSQL's
# image runs this script once, on an empty volume.
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
