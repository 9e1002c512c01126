# openssl.sh SECONDS ALGORITHM...: openssl's own measurement, as lines for programs.
set -e
seconds=$1
shift
/usr/bin/openssl speed -seconds "$seconds" -mr "$@" 2>/dev/null | grep '^+F'
