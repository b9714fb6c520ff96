#!/usr/bin/env bash
# One cell of the quality bar with the real programs: Online Shoppers by Region, rows of seed 42. Federated pooled test AUC
# at least our own pooled training's minus 0.006, per-member AUC above the members alone (tests/bench/bench_quality.sh).
source "$(dirname "$0")/lib.sh"

[ -r "$SHARED/data/online_shoppers_intention.csv.gz" ] && [ -r "$SHARED/data/splits/online-shoppers.s42.test" ] ||
    skip "the reference data is not there (ENTENTE_SHARED)"
export ENTENTE_BIN=$BIN ENTENTE_SOURCE=$SOURCE ENTENTE_SHARED=$SHARED
bg quality "$SOURCE/tests/bench/bench_quality.sh" --sets shoppers --seeds 42
wait_for 150 gone quality || fail "not done within 150 s"
cat "$LOGS/quality.log"
expect_exit quality 1
expect_line quality '^shoppers +42 +[5-9] ' 1
expect_line quality 'federated minus pooled [-+]0\.[0-9]+' 1
expect_no_line quality '^FAILED'
