# gzip.sh: compresses /tmp/text.
set -e
gzip -c /tmp/text | md5sum
