#!/bin/sh
# entente-demo-data keeps its word: same seed, same bytes; every row in exactly one member; test rows are the same rows.
set -eu
program=$1
client=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$program" generate --out "$dir/a" --members 3 --rows 900 --seed 5 --pooled >"$dir/a.txt"
"$program" generate --out "$dir/b" --members 3 --rows 900 --seed 5 --pooled >"$dir/b.txt"
"$program" generate --out "$dir/c" --members 3 --rows 900 --seed 6 --pooled >"$dir/c.txt"
cmp "$dir/a.txt" "$dir/b.txt"
cmp "$dir/a/pooled.csv" "$dir/b/pooled.csv"
! cmp -s "$dir/a/pooled.csv" "$dir/c/pooled.csv"
[ "$(wc -l <"$dir/a/pooled.csv")" -eq 901 ]
[ "$(cat "$dir"/a/member-*.csv | grep -vc '^customer_id')" -eq 900 ]

gzip -c "$dir/a/pooled.csv" >"$dir/in.csv.gz"
"$program" split --input "$dir/in.csv.gz" --by channel --groups 3 --label bought=yes --out "$dir/s" >"$dir/s.txt"
cmp "$dir/a/pooled.csv" "$dir/s/pooled.csv"
tail -n +2 "$dir/s/pooled.csv" | sort >"$dir/all"
for m in 1 2 3; do tail -n +2 "$dir/s/member-$m.csv"; done | sort | cmp - "$dir/all"

# the test rows named by the members' files are the test rows of the pool
rows() { awk 'NR == FNR { t[$1] = 1; next } FNR > 1 && (FNR - 2) in t' "$1.test" "$1.csv"; }
rows "$dir/s/pooled" | sort >"$dir/test"
for m in 1 2 3; do rows "$dir/s/member-$m"; done | sort | cmp - "$dir/test"
n=$(wc -l <"$dir/test")
[ "$n" -gt 120 ] && [ "$n" -lt 240 ]

# given test rows: the same ones; more members than values: refused
"$program" split --input "$dir/in.csv.gz" --by channel --out "$dir/t" --test-rows "$dir/s/pooled.test" >"$dir/t.txt"
cmp "$dir/s/pooled.test" "$dir/t/pooled.test"
[ -e "$dir/t/member-5.csv" ]
! "$program" split --input "$dir/in.csv.gz" --by channel --groups 6 --out "$dir/u" 2>/dev/null
! "$program" split --input "$dir/in.csv.gz" --by nothing --out "$dir/u" 2>/dev/null

# test rows and the drafted plan's validation rows are drawn independently: about a tenth of the others validates
mkdir "$dir/m"
"$client" describe --input "$dir/s/member-1.csv" --label bought=yes --test-file --out "$dir/m" >/dev/null
cp "$dir/s/member-1.test" "$dir/m/test-rows.txt"
"$client" check --dir "$dir/m" --plan "$dir/m/plan.yaml" --json >"$dir/check.json"
validation=$(sed -n 's/.*"validation_rows": *\([0-9]*\).*/\1/p' "$dir/check.json")
train=$(sed -n 's/.*"train_rows": *\([0-9]*\).*/\1/p' "$dir/check.json")
[ "$validation" -gt $((train / 20)) ] && [ "$validation" -lt $((train / 4)) ]
