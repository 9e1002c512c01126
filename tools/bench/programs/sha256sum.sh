# sha256sum.sh: hashes /tmp/text.
set -e
sha256sum </tmp/text
