# stress.sh N STRESSOR [OPTION...]: N operations of a stressor of stress-ng on one process; its line of metrics.
set -e
operations=$1
stressor=$2
shift 2
cd /tmp
/usr/bin/stress-ng --no-rand-seed --"$stressor" 1 --"$stressor"-ops "$operations" "$@" --metrics-brief 2>&1 |
  grep "metrc:.*\] $stressor "
