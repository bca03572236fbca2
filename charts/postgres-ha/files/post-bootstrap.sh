#!/bin/sh
# Patroni runs this once, on the first primary: what `libs/postgres/bootstrap.py` does for an embedded server.
# After a restore everything is there already, and only the passwords become those of this cluster.
set -eu
export PGPASSWORD="$SUPERUSER_PASSWORD"
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 "$1" <<'SQL'
\getenv owner OWNER_PASSWORD
\getenv app APP_PASSWORD
\getenv control CONTROL_PASSWORD
SELECT format('CREATE ROLE %I NOSUPERUSER NOBYPASSRLS %s', name, options)
FROM (VALUES ('aeterna_owner', 'LOGIN CREATEROLE'),
             ('aeterna_app', 'LOGIN'),
             ('aeterna_control', 'LOGIN'),
             ('aeterna_projector', 'NOLOGIN')) AS role (name, options)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
ALTER ROLE aeterna_owner PASSWORD :'owner';
ALTER ROLE aeterna_app PASSWORD :'app';
ALTER ROLE aeterna_control PASSWORD :'control';
GRANT aeterna_projector TO aeterna_owner;
SELECT 'CREATE DATABASE aeterna OWNER aeterna_owner'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'aeterna')
\gexec
\connect aeterna
CREATE EXTENSION IF NOT EXISTS vector;
SQL
if [ -n "${BACKUP_STANZA:-}" ]; then
  pgbackrest --stanza="$BACKUP_STANZA" stanza-create
fi
