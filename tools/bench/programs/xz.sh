# xz.sh: compresses /tmp/text and gets it back.
set -e
/usr/bin/xz -6 -T1 -k -f /tmp/text
/usr/bin/xz -d -c /tmp/text.xz | cmp - /tmp/text
md5sum < /tmp/text.xz
rm /tmp/text.xz
