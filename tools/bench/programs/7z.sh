# 7z.sh N: N passes of 7-Zip's own measurement on one thread, with a dictionary of 256 KiB; its average.
set -e
/usr/bin/7z b "$1" -mmt1 -md18 | grep '^Avr:'
