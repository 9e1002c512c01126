# sort.sh: sorts /tmp/text by its second word, then its number.
set -e
sort -k 2,2 -k 3n /tmp/text | md5sum
