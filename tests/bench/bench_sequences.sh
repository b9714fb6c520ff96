#!/usr/bin/env bash
# What recurrent networks reach on click histories: E-shop, one member per country, test rows of the split file, the first
# 50 clicks of a session; the plans of deploy/examples with gru, lstm and rnn in turn. Bars of issue 4:
#   pooled (10 passes, batch 64, rate 1e-3) against BASELINES.md: loss, and AUC or hit@10, at most 1 % worse; rnn 2 %
#   federated against ours pooled: at most 1 % worse
#   gru, next category, Lithuania's test rows: federated at most 0.70, and at least 0.1 below Lithuania's alone, same run
#
#   bench_sequences.sh [--tasks "category product"] [--cells "gru lstm rnn"]
set -euo pipefail
source_dir=${ENTENTE_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=${ENTENTE_BIN:-$source_dir/build/release/bin}
data=${ENTENTE_SHARED:-$source_dir/../shared}/data
set_name=e-shop-clothing-2008-80
lithuania=24 # code of the country
tasks="category product" cells="gru lstm rnn"
while [ $# -gt 0 ]; do
    case "$1" in
    --tasks) tasks=$2; shift 2 ;;
    --cells) cells=$2; shift 2 ;;
    *) echo "usage: bench_sequences.sh [--tasks NAMES] [--cells NAMES]" >&2; exit 2 ;;
    esac
done
if [ ! -r "$data/$set_name.csv.gz" ]; then
    echo "SKIPPED bench_sequences: no reference data (ENTENTE_SHARED)"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

stop() { # what went wrong
    echo "FAILED: bench_sequences: $1" >&2
    exit 1
}

baseline() { # task, cell -> loss, and AUC or hit@10
    case "$1-$2" in
    category-gru) echo 0.6690 0.9055 ;;
    category-lstm) echo 0.6658 0.9069 ;;
    category-rnn) echo 0.6825 0.8994 ;;
    product-gru) echo 3.9517 0.5210 ;;
    product-lstm) echo 3.9400 0.5245 ;;
    product-rnn) echo 3.9721 0.5178 ;;
    *) stop "no figures of $1 with $2" ;;
    esac
}

plans() { # task, cell: federated.yaml and pooled.yaml
    sed -e "s/{gru: 64}/{$2: 64}/" -e 's/test: 0.2/test: file/' "$source_dir/deploy/examples/next-$1/plan.yaml" \
        >"$work/federated.yaml"
    sed -e 's/rounds: 20/rounds: 10/' -e 's/rate: [0-9.]*/rate: 0.001/' -e 's/schedule: cosine/schedule: constant/' \
        "$work/federated.yaml" >"$work/pooled.yaml"
}

printf '%-9s %-5s %9s %9s %9s  %7s %7s %7s | %9s %9s\n' next cell baseline pooled federated second pooled federated \
    "alone LT" "fed. LT"
failed=
for task in $tasks; do
    for cell in $cells; do
        plans "$task" "$cell"
        "$bin/entente-simulate" "$work/federated.yaml" --pooled "$work/pooled.yaml" --data "$data/$set_name.csv.gz" \
            --by country --test-rows "$data/splits/$set_name.s42.test" --compare --each --quiet >"$work/out" 2>&1 ||
            stop "$task with $cell: $(tail -n 3 "$work/out")"
        second=$([ "$task" = category ] && echo 3 || echo 6) # the field of AUC, or of hit@10
        fields=$(awk -v second="$second" -v lt="$lithuania" '
            $1 == "federated" && NF == 6 { f = $5; f2 = $second }
            $1 == "pooled" && NF == 6 { p = $5; p2 = $second }
            $1 == lt && NF == 6 { a = $3; l = $4 }
            END { print p, f, p2, f2, a, l }' "$work/out")
        [ "$(echo "$fields" | wc -w)" -eq 6 ] || stop "$task with $cell gave \"$fields\" instead of six figures"
        echo "$(baseline "$task" "$cell") $fields" | awk -v task="$task" -v cell="$cell" '
            {
                printf "%-9s %-5s %9.4f %9.4f %9.4f  %7.4f %7.4f %7.4f | %9.4f %9.4f\n", task, cell, $1, $3, $4, $2, $5, $6, $7, $8
                worse = cell == "rnn" ? 0.02 : 0.01
                if ($3 > $1 * (1 + worse) || $5 < $2 * (1 - worse)) { print "FAILED: pooled against its baseline"; bad = 1 }
                if ($4 > $3 * 1.01 || $6 < $5 * 0.99) { print "FAILED: federated against pooled"; bad = 1 }
                if (task == "category" && cell == "gru" && ($8 > 0.70 || $7 - $8 < 0.1)) { print "FAILED: Lithuania"; bad = 1 }
                exit bad
            }' || failed=yes
    done
done
[ -z "$failed" ]
