# awk.sh: counts and sums the words of /tmp/text.
set -e
awk '{ count[$1]++; sum[$2] += $3; letters += length($0) }
  END { for (w in count) a += count[w] * length(w); for (w in sum) b += sum[w]; print a, b, letters }' /tmp/text
