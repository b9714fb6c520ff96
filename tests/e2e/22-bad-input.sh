#!/usr/bin/env bash
# Rows that a federation meets sooner or later, by the real programs: each has a counted, named outcome, in check (one
# member) and in a simulation (all of them). Nothing is dropped without a word.
set -euo pipefail
bin=${ENTENTE_BIN:-$(cd "$(dirname "$0")/../.." && pwd)/build/dev/bin}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

# rows FILE N [awk statements that change the i-th row's a, shop, day, c, y]
rows() {
    awk -v n="$2" 'BEGIN {
        srand(7)
        print "id,a,shop,day,c,y"
        for (i = 0; i < n; i++) {
            a = rand(); y = (rand() < a) + 0; shop = "s" i % 4; c = substr("xyz", 1 + int(rand() * 3), 1)
            day = sprintf("2024-%02d-%02d", 1 + int(rand() * 12), 1 + i % 28)
            '"${3:-}"'
            printf "k%d,%.4f,%s,%s,%s,%s\n", i, a, shop, day, c, y
        }
    }' >"$dir/$1.csv"
}
plan() { # NAME, what category c is
    cat >"$dir/$1.yaml" <<YAML
salt: long-and-new
features:
  - {name: a, type: number, range: [0, 1]}
  - {name: day, type: date, format: iso, parts: [month, age], reference: 2024-12-31, range: [0, 400]}
  - {name: c, type: category, $2}
label: {name: y, positive: "1"}
min_group: 1
split: {key: 1, validation: 0.1, test: 0.2}
model: {layers: [{dense: 8}, relu, {dense: 1}], loss: bce}
training: {rounds: 1, epochs: 1, batch: 16, optimizer: {adam: {rate: 0.01}}, seed: 3}
YAML
}
client() { # bad_rows
    printf 'data: {source: csv, path: rows.csv, bad_rows: %s}\nunit_key: id\npolicy: {min_members: 3}\n' "$1" \
        >"$dir/m/client.yaml"
}
check() { # CSV, exit status, words...
    local csv=$1 want=$2 got=0
    shift 2
    cp "$dir/$csv.csv" "$dir/m/rows.csv"
    "$bin/entente-client" check --dir "$dir/m" --plan "$dir/$plan.yaml" >"$dir/out" 2>&1 || got=$?
    [ "$got" = "$want" ] || fail "check of $csv: exit $got, not $want ($(tail -1 "$dir/out"))"
    for words; do grep -qE -- "$words" "$dir/out" || fail "check of $csv: no '$words'"; done
}
simulate() { # CSV, exit status, words...
    local csv=$1 want=$2 got=0
    shift 2
    "$bin/entente-simulate" "$dir/$plan.yaml" --data "$dir/$csv.csv" --config "$dir/m/client.yaml" --by shop --quiet \
        >"$dir/out" 2>&1 || got=$?
    [ "$got" = "$want" ] || fail "simulation of $csv: exit $got, not $want ($(tail -1 "$dir/out"))"
    for words; do grep -qE -- "$words" "$dir/out" || fail "simulation of $csv: no '$words'"; done
}
mkdir "$dir/m"
client drop
plan vocabulary 'vocabulary: {bits: 10, size: 16, min_customers: 5, min_members: 2}'
plan declared 'values: [x, y, z]'
plan=vocabulary

rows good 1200
check good 0 'this member can take part' '1200 rows used'
simulate good 0 '4 members by shop: 1200 rows' 'are in the top 10 % of scores; random would find 10 %'

# an empty member
rows empty 0
check empty 4 'no rows below the header'
rows unlabelled 300 'y = ""'
check unlabelled 4 'no row is left: 300 rows read, 0 do not parse, 300 without label'
rows one_unlabelled 1200 'if (i % 4 == 3) y = ""'
check one_unlabelled 0 '900 rows used .* of 1200; 0 do not parse, 300 without label'
simulate one_unlabelled 0 '3 members by shop: 900 rows' 'of 1200 rows read are not used: 300 without a label'

# a member with one label declines, in a simulation too; one with one class to train on takes part
rows ones 300 'y = 1'
check ones 4 "all 300 rows with a label have '1'" 'CANNOT take part'
rows one_class 1200 'if (i % 4 == 3) y = 1'
simulate one_class 0 '1 with positive rows only: every round declined \(s3: all 300 rows with a label have '"'1'"', which'

# a category that only one member has
rows lone 1200 'if (i % 4 == 0 && i % 3 == 0) c = "only"'
simulate lone 0 '1 category values that one member only has \(1 members\)'
plan=declared
check lone 0 'c  .* 100 +0$'
rows foreign 300 'c = "own " c'
check foreign 0 'c: no row has a value that the plan declares'

# 10^6 different values
rows million 1000000 'c = "item" i'
check million 0 '1000000 rows used' 'c  .* 1000000 +0$' 'c: no row has a value that the plan declares'
plan=vocabulary
check million 0 '1000000 rows used' 'c: more than [0-9]+ different values in 1024 buckets \(1024 in use\)'
simulate million 0 'c: more than [0-9]+ different values in 1024 buckets'

# dates that lie in the future, and such as are none
rows future 1200 'if (i % 50 == 5) day = "2031-01-01"'
check future 0 "day: 24 dates are later than the plan's reference: they count as no age"
simulate future 0 "day: 24 dates are later than the plan's reference"
rows times 1200 'if (i % 100 == 5) day = "31.02.2024"; if (i % 100 == 6) day = "2024-02-31"; if (i % 100 == 7) day = "soon"'
check times 0 '1164 rows used .* of 1200; 36 do not parse' "line 7: day.month is not a date in the plan's format"
simulate times 0 'of 1200 rows read are not used: 36 do not parse'
client fail
check times 4 "36 rows do not parse: line 7 \(day.month: not a date in the plan's format iso\)"
simulate times 4 '36 rows do not parse'
# ---- a label of what comes next whose values nobody has ----
awk 'BEGIN { print "who,t,item"; for (u = 0; u < 40; u++) for (i = 0; i < 4; i++) print "u" u "," i "," 1 + (u + i) % 5 }' \
    >"$dir/next.csv"
cat >"$dir/next.yaml" <<'YAML'
features: [{name: item, type: category, values: [a, b, c], embed: 3}]
sequence: {unit: who, time: t, length: 5}
label: {next: item}
model: {layers: [{gru: 4}, {dense: 3}]}
training: {rounds: 1}
YAML
got=0
"$bin/entente-simulate" "$dir/next.yaml" --data "$dir/next.csv" --iid 4 --quiet >"$dir/out" 2>&1 || got=$?
[ "$got" = 4 ] || fail "exit $got, not 4, of targets that nobody has: $(tail -1 "$dir/out")"
grep -q "none of the 120 events to predict has a value that the plan declares for 'item'" "$dir/out" ||
    fail "no sentence on targets: $(tail -1 "$dir/out")"
sed -i 's/^u0,\([0-9]*\),.*/u0,\1,b/' "$dir/next.csv"
"$bin/entente-simulate" "$dir/next.yaml" --data "$dir/next.csv" --iid 4 --quiet >"$dir/out" 2>&1 || true
grep -q '^  117 events to predict have no value that the plan declares' "$dir/out" || fail "targets are not counted"
grep -q '^  3 without a target: every round declined (m000[1-4]: no target is left' "$dir/out" ||
    fail "members without targets do not decline: $(cat "$dir/out")"

# ---- what describe and score do not take ----
refused() { # words, arguments
    local words=$1 got=0
    shift
    "$bin/entente-client" "$@" >"$dir/out" 2>&1 || got=$?
    [ "$got" = 2 ] || fail "exit $got, not 2: $* ($(tail -1 "$dir/out"))"
    grep -qF -- "$words" "$dir/out" || fail "no '$words': $(tail -1 "$dir/out")"
}
draft=(describe --input "$dir/lone.csv" --label y=1 --out "$dir/draft")
refused "has no column 'shp'; did you mean 'shop'?" "${draft[@]}" --exclude shp
refused "--category: " "${draft[@]}" --category Bar
refused '--rounds takes a number from 1' "${draft[@]}" --rounds 0
refused '--max-values takes a number from 1' "${draft[@]}" --max-values 0
refused '--label is given twice' "${draft[@]}" --label c=x
refused '--min-members is 2 to 2000' "${draft[@]}" --min-members 1
refused '--min-members is 2 to 2000' "${draft[@]}" --min-members 2001
refused '--repeats takes a number from 1' score --model "$dir/none" --input "$dir/ones.csv" --explain --repeats 0
[ ! -e "$dir/draft" ] || [ -z "$(ls "$dir/draft")" ] || fail "a draft is left behind"
echo "ok"
