#!/usr/bin/env bash
# What a promise to each customer costs, and what a promise to each member costs: test AUC at epsilon 1, 2, 4, 8 and without noise
# on Online Shoppers (by Region), Bank Marketing without duration (by job) and Telco (by PaymentMethod), five seeds, the same test
# rows for all, judged outside of the federation. delta 1e-5, epsilon over all releases of a run.
#
#   customers  each member adds its own noise; plans: deploy/examples/private and plans/private-SET.yaml. Nothing is listed as not
#              covered. Bars of issue 6, means over the seeds on Online Shoppers: epsilon 2 >= 0.895; 4 and 8 >= 0.905
#   members    noise at the coordinator, logistic regression, rows dealt evenly among 10 and 300 members; plans/member-SET.yaml,
#              chosen for 300; with 30 or fewer 5 rounds and clip 0.5, which are better there (validation rows again).
#              A person's epsilon beside it: the promise hides a member, a person in it moves its update by twice as much
#
# Printed beside: the same plan at epsilon 100 (clipped and sampled as ever, hardly any noise), the same plan without its
# `privacy` (no clip, no sample, numbers scaled from counted statistics), the recipe of plans/tabular-SET.yaml without noise, and
# with it members alone. "members" is the mean of the members' AUC on their own test rows, weighted by these: alone can be compared
# with nothing else.
#
#   bench_privacy.sh [--level customers|members] [--sets "shoppers bank telco"] [--seeds "42 43 44 45 46"]
#                    [--epsilons "1 2 4 8"] [--sizes "10 300"] [--beside no]
#
# The seed names the split and the first weights; sample and noise come from the system's generator and differ each time.
set -euo pipefail
source_dir=${ENTENTE_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=${ENTENTE_BIN:-$source_dir/build/release/bin}
data=${ENTENTE_SHARED:-$source_dir/../shared}/data
plans=$source_dir/tests/bench/plans
level="customers members" sets="shoppers bank telco" seeds="42 43 44 45 46" epsilons="1 2 4 8" sizes="10 300" beside=yes
while [ $# -gt 0 ]; do
    case "$1" in
    --level) level=$2; shift 2 ;;
    --sets) sets=$2; shift 2 ;;
    --seeds) seeds=$2; shift 2 ;;
    --epsilons) epsilons=$2; shift 2 ;;
    --sizes) sizes=$2; shift 2 ;;
    --beside) beside=$2; shift 2 ;;
    *) echo "usage: bench_privacy.sh [--level customers|members] [--sets NAMES] [--seeds NUMBERS] [--epsilons NUMBERS] [--sizes NUMBERS] [--beside no]" >&2; exit 2 ;;
    esac
done
if [ ! -r "$data/online_shoppers_intention.csv.gz" ]; then
    echo "SKIPPED bench_privacy: no reference data (ENTENTE_SHARED)"
    exit 0
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

stop() { # what went wrong
    echo "FAILED: bench_privacy: $1" >&2
    exit 1
}

set_up() { # set
    case "$1" in
    shoppers) file=online_shoppers_intention by=Region split=online-shoppers plan=$source_dir/deploy/examples/private/plan.yaml ;;
    bank) file=bank-full-80 by=job split=bank-full-80 plan=$plans/private-bank.yaml ;;
    telco) file=telco-customer-churn by=PaymentMethod split=telco-churn plan=$plans/private-telco.yaml ;;
    *) echo "no set $1" >&2; exit 2 ;;
    esac
}

# ---- one run ----

value_of() { # key -> the first number behind it in the run's JSON, "-" where there is none
    local v
    v=$(grep -o "\"$1\":[-0-9.e+]*" "$dir/out" | head -n 1 | cut -d: -f2)
    echo "${v:--}"
}

simulate() { # plan, seed, options of the division... -> $dir/out
    local file_of_plan=$1 seed=$2
    shift 2
    "$bin/entente-simulate" "$file_of_plan" --data "$data/$file.csv.gz" --test-rows "$data/splits/$split.s$seed.test" \
        --quiet --json "$@" >"$dir/out" 2>"$dir/errors" ||
        stop "$file, seed $seed: entente-simulate ended with status $?: $(tail -n 3 "$dir/errors")"
}

# One line for each seed: AUC, the members' mean, epsilon spent, a person's, noise multiplier.
measure() { # division
    local auc
    auc=$(sed -n 's/.*"test":{[^}]*"auc":\([0-9.]*\).*/\1/p' "$dir/out")
    [ "$(echo "$auc" | wc -w)" -eq 1 ] || stop "no figure of entente-simulate: $(head -c 300 "$dir/out")"
    echo "$auc $(value_of members_auc) $(value_of epsilon) $(value_of epsilon_person) $(value_of noise_multiplier)" >>"$dir/lines"
}

# ---- plans ----

with_seed() { # seed, file of the plan
    sed -e "s/^  seed: .*/  seed: $1/" "$2"
}
with_epsilon() { # seed, epsilon, file of the plan
    with_seed "$1" "$3" | sed -e "s/^  epsilon: .*/  epsilon: $2/"
}
# Without its privacy: statistics as usual, and full steps in the place of sampled ones. No floor on groups either: under it 300
# small members would count and show nothing, and there would be no model to compare with.
without_noise() { # seed, file of the plan
    with_seed "$1" "$2" | awk '
        /^privacy:/ { exit }
        /^training:/ { training = 1 }
        /batch:/ { has = 1 }
        { line[++n] = $0 }
        END {
            print "min_group: 1"
            for (i = 1; i <= n; i++) { print line[i]; if (line[i] ~ /^training:/ && !has) print "  batch: full" }
        }' |
        sed -e 's/test: file/validation: 0, test: file/'
}

of_size() { # members, file of the plan
    if [ "$1" -le 30 ]; then
        sed -e 's/^  rounds: .*/  rounds: 5/' -e 's/^  clip: .*/  clip: 0.5/' "$2"
    else
        cat "$2"
    fi
}

# ---- the table ----

head_line() {
    local seed
    printf '%-30s %7s %7s %6s' "" epsilon person noise
    for seed in $seeds; do printf ' %7s' "s$seed"; done
    printf ' %8s %7s %8s %8s\n' mean sd "- none" members
}

# Mean, standard deviation, mean difference to "$dir/none" by pairs. In "$dir/lines": what measure left.
row() { # name, bar
    cut -d' ' -f1 "$dir/lines" >"$dir/aucs"
    [ -e "$dir/none" ] || cp "$dir/aucs" "$dir/none"
    paste -d' ' "$dir/lines" "$dir/none" | awk -v name="$1" -v bar="$2" '
        function short(v) { return v == "-" ? v : sprintf("%.4g", v) }
        { a[NR] = $1; m += $1; d += $1 - $6; own += $2; has += $2 != "-"; e = $3; p = $4; z = $5 }
        END {
            m /= NR
            for (i = 1; i <= NR; i++) squares += (a[i] - m) ^ 2
            printf "%-30s %7s %7s %6s", name, short(e), short(p), short(z)
            for (i = 1; i <= NR; i++) printf " %7.4f", a[i]
            sd = "-"
            if (NR > 1) sd = sprintf("%.4f", sqrt(squares / (NR - 1)))
            mean_own = "-"
            if (has == NR) mean_own = sprintf("%.4f", own / NR)
            printf " %8.4f %7s %+8.4f %8s\n", m, sd, d / NR, mean_own
            if (bar > 0 && m < bar) { print "FAILED: " name ", bar " bar; bad = 1 }
            exit bad
        }'
    rm "$dir/lines"
}

# The recipe of the learning issue, with members alone: their mean only, for a pooled figure of theirs means nothing.
recipe() { # set
    local seed
    for seed in $seeds; do
        simulate "$plans/tabular-$1.yaml" "$seed" --by "$by" --compare --pooled "$plans/tabular-$1-pooled.yaml"
        sed -n 's/.*"alone":{"members_auc":\([0-9.]*\).*/\1/p' "$dir/out" >>"$dir/alone"
        measure
    done
    row "its learning recipe, no noise" 0
    awk '{ s += $1 } END { printf "%-30s %7s %7s %6s %*s %8.4f\n", "  members alone with it", "-", "-", "-", 8 * NR + 26, "", s / NR }' "$dir/alone"
    rm "$dir/alone"
}

customers() { # set -> false: a bar was missed
    local epsilon seed bar ok=yes
    "$bin/entente-coordinator" plan-check "$plan" >"$dir/check" || stop "plan-check does not take $plan"
    grep -q "nothing leaves that no noise covers" "$dir/check" || stop "$plan releases what no noise covers"
    echo
    echo "$file by $by, unit customer, layers $(sed -n 's/.*layers: \(\[.*\]\).*/\1/p' "$plan"), AUC of the test rows"
    head_line
    rm -f "$dir/none"
    for seed in $seeds; do
        without_noise "$seed" "$plan" >"$dir/plan.yaml"
        simulate "$dir/plan.yaml" "$seed" --by "$by"
        measure
    done
    row "the plan, no privacy" 0
    for epsilon in 100 $epsilons; do
        bar=0
        if [ "$1" = shoppers ]; then
            case "$epsilon" in 2) bar=0.895 ;; 4 | 8) bar=0.905 ;; esac
        fi
        for seed in $seeds; do
            with_epsilon "$seed" "$epsilon" "$plan" >"$dir/plan.yaml"
            simulate "$dir/plan.yaml" "$seed" --by "$by"
            measure
        done
        row "the plan, epsilon $epsilon" "$bar" || ok=no
    done
    [ "$beside" = no ] || recipe "$1"
    [ "$ok" = yes ]
}

members() { # set
    local epsilon seed n
    for n in $sizes; do
        of_size "$n" "$plans/member-$1.yaml" >"$dir/member.yaml"
        echo
        echo "$file dealt evenly among $n members, unit member, logistic regression, AUC of the test rows"
        head_line
        rm -f "$dir/none"
        for seed in $seeds; do
            without_noise "$seed" "$dir/member.yaml" >"$dir/plan.yaml"
            simulate "$dir/plan.yaml" "$seed" --iid "$n"
            measure
        done
        row "the plan, no privacy" 0
        for epsilon in $epsilons; do
            for seed in $seeds; do
                with_epsilon "$seed" "$epsilon" "$dir/member.yaml" >"$dir/plan.yaml"
                simulate "$dir/plan.yaml" "$seed" --iid "$n"
                measure
            done
            row "the plan, epsilon $epsilon" 0
        done
    done
}

failed=
for what in $level; do
    for set in $sets; do
        set_up "$set"
        "$what" "$set" || failed=yes
    done
done
[ -z "$failed" ]
