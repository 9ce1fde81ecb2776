#!/bin/sh
# As the official image: redis-server as the user redis, and reachable from other containers without a configuration.
set -e
[ "${1#-}" = "$1" ] && [ "${1%.conf}" = "$1" ] || set -- redis-server "$@"
if [ "$1" = redis-server ]; then
    shift
    case "${1:--}" in
        -*) set -- redis-server --protected-mode no "$@" ;;
        *) file=$1; shift; set -- redis-server "$file" --protected-mode no "$@" ;;
    esac
    if [ "$(id -u)" = 0 ]; then
        find . \! -user redis -exec chown redis '{}' +
        exec setpriv --reuid redis --regid redis --init-groups "$@"
    fi
fi
exec "$@"
