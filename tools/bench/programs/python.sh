# python.sh N: work.py.
exec /usr/bin/python3 -I -S -B /bench/work.py "$1"
