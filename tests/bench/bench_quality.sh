#!/usr/bin/env bash
# What federating costs and what it is worth, on the reference rows: for each set and seed the real programs run a whole
# federation (one member a silo), the same trainer trains on all rows together and on each member's rows alone, and all
# are scored on the same test rows. Prints a table and checks the bars of issue 3:
#   federated - pooled, pooled test AUC, mean over the seeds        >= -0.006
#   per-member test AUC weighted by test rows: federated            >  members alone
#   pooled on the rows of seed 42                                   >= reference - 0.005
#
#   bench_quality.sh [--sets "bank shoppers"] [--seeds "42 43 44 45 46"]
set -euo pipefail
source_dir=${ENTENTE_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=${ENTENTE_BIN:-$source_dir/build/release/bin}
shared=${ENTENTE_SHARED:-$source_dir/../shared}
sets="bank shoppers" seeds="42 43 44 45 46"
while [ $# -gt 0 ]; do
    case "$1" in
    --sets) sets=$2; shift 2 ;;
    --seeds) seeds=$2; shift 2 ;;
    *) echo "usage: bench_quality.sh [--sets NAMES] [--seeds NUMBERS]" >&2; exit 2 ;;
    esac
done
if [ ! -r "$shared/data/bank-full-80.csv.gz" ]; then
    echo "SKIPPED bench_quality: no reference data (ENTENTE_SHARED)"
    exit 0
fi
top=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$top"
}
trap cleanup EXIT

set_up() { # name -> file, by, label, split name, reference AUC of the pooled MLP on seed 42
    case "$1" in
    bank) file=bank-full-80 by=job label=y=yes split=bank-full-80 reference=0.7902 ;;
    shoppers) file=online_shoppers_intention by=Region label=Revenue=TRUE split=online-shoppers reference=0.9152 ;;
    *) echo "no set $1" >&2; exit 2 ;;
    esac
}

config() { # csv, test rows -> client.yaml on standard output
    cat <<YAML
coordinator: ${address:-localhost:1}
data: {source: csv, path: $1}
split_file: $2
policy: {tasks: [stats, train, evaluate], min_members: 3, plans: any}
YAML
}

federate() { # dir, plan; members are the CSV files of dir/data
    local dir=$1 plan=$2 csv name serve
    "$bin/entente-coordinator" init --dir "$dir/fed" --name bench --host localhost --listen 127.0.0.1:0 \
        --enroll-listen 127.0.0.1:0 >"$dir/log" 2>&1
    "$bin/entente-coordinator" serve --dir "$dir/fed" --once >"$dir/serve.log" 2>&1 &
    serve=$!
    pids=("$serve")
    until grep -q '^federation' "$dir/serve.log"; do kill -0 "$serve"; sleep 0.05; done
    address=$(sed -n 's/^federation .*members on 127.0.0.1:\([0-9]*\),.*/localhost:\1/p' "$dir/serve.log")
    for csv in "$dir"/data/member-*.csv; do
        name=$(basename "$csv" .csv)
        "$bin/entente-coordinator" invite --dir "$dir/fed" "$name" 2>>"$dir/log" |
            "$bin/entente-client" enroll --dir "$dir/$name" >>"$dir/log" 2>&1
        config "$csv" "$dir/data/$name.test" >"$dir/$name/client.yaml"
    done
    # The run starts when all are here: the cohort of the statistics is the whole federation.
    for csv in "$dir"/data/member-*.csv; do
        name=$(basename "$csv" .csv)
        "$bin/entente-client" run --dir "$dir/$name" --once >"$dir/$name.log" 2>&1 &
        pids+=("$!")
    done
    for csv in "$dir"/data/member-*.csv; do
        name=$(basename "$csv" .csv)
        until grep -q "^$name is here" "$dir/serve.log"; do kill -0 "$serve"; sleep 0.05; done
    done
    "$bin/entente-coordinator" policy --dir "$dir/fed" >"$dir/policy" 2>>"$dir/log"
    # All members are in each round; the plan has to ask for as many as must witness one.
    sed "s/min_members: 3/min_members: $(sed -n 's/^group quorum \([0-9]*\).*/\1/p' "$dir/policy")/" \
        "$plan" >"$dir/plan.yaml"
    "$bin/entente-coordinator" start --dir "$dir/fed" "$dir/plan.yaml" >>"$dir/log"
    for pid in "${pids[@]}"; do wait "$pid"; done
    pids=()
}

auc() { # client.yaml, model, csv, rows -> "auc rows" ("- rows" with one class only)
    local line
    line=$("$bin/entente-client" score --config "$1" --model "$2" --input "$3" --rows "$4" --evaluate 2>/dev/null)
    sed -n 's/.*auc=\([^ ]*\).*rows=\([0-9]*\).*/\1 \2/p' <<<"$line"
}

alone() { # dir, name, plan -> trains on one CSV
    config "$1/data/$2.csv" "$1/data/$2.test" >"$1/$2.yaml"
    "$bin/entente-client" train --local --dir "$1" --config "$1/$2.yaml" --plan "$3" --output "$1/$2.safetensors" \
        >"$1/$2.local.log" 2>&1
}

cell() { # set, seed -> one line of figures
    local dir=$top/$1.$2 plan=$source_dir/tests/bench/plans/$1.yaml csv name model
    set_up "$1"
    mkdir "$dir"
    "$bin/entente-demo-data" split --input "$shared/data/$file.csv.gz" --by "$by" --groups 0 --label "$label" \
        --test-rows "$shared/data/splits/$split.s$2.test" --out "$dir/data" >"$dir/split.log"
    federate "$dir" "$plan"
    model=$(ls "$dir"/member-*/global.safetensors | head -n 1)
    alone "$dir" pooled "$plan"
    {
        for csv in "$dir"/data/member-*.csv; do
            name=$(basename "$csv" .csv)
            # A member whose training rows hold one class only cannot train; it scores its base rate: AUC one half.
            alone "$dir" "$name" "$plan" || true
            a=$(auc "$dir/$name.yaml" "$dir/$name.safetensors" "$csv" "$dir/data/$name.test" || true)
            f=$(auc "$dir/$name.yaml" "$model" "$csv" "$dir/data/$name.test")
            echo "member ${a:-0.5 ${f#* }} $f"
        done
        echo "pooled $(auc "$dir/pooled.yaml" "$dir/pooled.safetensors" "$dir/data/pooled.csv" "$dir/data/pooled.test")" \
            "$(auc "$dir/pooled.yaml" "$model" "$dir/data/pooled.csv" "$dir/data/pooled.test")"
    } >"$dir/auc.txt"
    awk -v set="$1" -v seed="$2" -v reference="$reference" '
        $1 == "member" && $2 + 0 == $2 && $4 + 0 == $4 { n += $3; a += $2 * $3; f += $4 * $5; m++ }
        $1 == "pooled" { p = $2; q = $4 }
        END { printf "%s %s %d %.4f %.4f %.4f %.4f %.4f\n", set, seed, m, a / n, f / n, p, q, reference }' "$dir/auc.txt"
    rm -rf "$dir"
}

printf '%-9s %4s %7s | %8s %9s | %7s %9s %8s\n' set seed members alone federated pooled federated minus
for set in $sets; do
    for seed in $seeds; do
        cell "$set" "$seed" | tee -a "$top/cells" |
            awk '{ printf "%-9s %4s %7s | %8s %9s | %7s %9s %+8.4f\n", $1, $2, $3, $4, $5, $6, $7, $7 - $6 }'
    done
done
awk '
    { n[$1]++; a[$1] += $4; f[$1] += $5; d[$1] += $7 - $6; if ($2 == 42) r[$1] = $6 - $8 }
    END {
        for (s in n) {
            printf "%-9s mean: per member alone %.4f, federated %.4f; pooled: federated minus pooled %+.4f", s, a[s] / n[s], f[s] / n[s], d[s] / n[s]
            if (s in r) printf "; own pooled minus reference (seed 42) %+.4f", r[s]
            printf "\n"
            if (d[s] / n[s] < -0.006) { print "FAILED " s ": federated is more than 0.006 below pooled"; bad = 1 }
            if (f[s] <= a[s]) { print "FAILED " s ": federated is not above the members alone"; bad = 1 }
            if ((s in r) && r[s] < -0.005) { print "FAILED " s ": pooled is more than 0.005 below the reference"; bad = 1 }
        }
        exit bad
    }' "$top/cells"
