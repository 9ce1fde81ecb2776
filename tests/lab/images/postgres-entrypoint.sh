#!/usr/bin/env bash
# As the official image: the first start makes the cluster, the user, the database, and runs /docker-entrypoint-initdb.d.
set -euo pipefail

[ "${1#-}" = "$1" ] || set -- postgres "$@"
[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA"
    find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
    exec setpriv --reuid postgres --regid postgres --init-groups "$BASH_SOURCE" "$@"
fi

secret() { # NAME DEFAULT: the variable, or the content of the file that NAME_FILE names
    local file="$1_FILE"
    if [ -n "${!file:-}" ]; then cat "${!file}"; else printf '%s' "${!1:-$2}"; fi
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    user=$(secret POSTGRES_USER postgres)
    password=$(secret POSTGRES_PASSWORD '')
    database=$(secret POSTGRES_DB "$user")
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ -z "$password" ] && [ "$method" != trust ]; then
        echo "Error: Database is uninitialized and superuser password is not specified: set POSTGRES_PASSWORD" >&2
        exit 1
    fi
    # shellcheck disable=SC2086  # the variable is a list of options
    initdb --username="$user" --pwfile=<(printf '%s\n' "$password") ${POSTGRES_INITDB_ARGS:-}
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
    # Not on the network until it is filled: nobody must meet an empty database.
    pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
    export PGUSER="$user" PGPASSWORD="$password"
    query() { psql -v ON_ERROR_STOP=1 --no-psqlrc --dbname "$@"; }
    if [ "$database" != postgres ]; then
        query postgres --set db="$database" <<<'CREATE DATABASE :"db";'
    fi
    for file in /docker-entrypoint-initdb.d/*; do
        echo "$0: $file"
        case "$file" in
            *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
            *.sql) query "$database" -f "$file" ;;
            *.sql.gz) gunzip -c "$file" | query "$database" ;;
        esac
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGUSER PGPASSWORD
    echo "PostgreSQL init process complete; ready for start up."
fi
exec "$@"
