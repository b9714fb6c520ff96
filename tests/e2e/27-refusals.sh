#!/usr/bin/env bash
# Privacy that could not be kept does not start: each combination is refused where it is first read, with its place, a sentence
# and an exit status, by everything that reads a plan, and nothing of it is stored.
source "$(dirname "$0")/lib.sh"

HEAD='features: [{name: age, type: number, range: [18, 95]}, {name: loan, type: boolean}]
label: {name: y, positive: "yes"}
purpose: churn'
MODEL='model: {layers: [{dense: 8}, relu, {dense: 1}]}'
TRAIN='training: {rounds: 5}'
CUSTOMER='privacy: {unit: customer, epsilon: 2, delta: 1e-5, clip: 1, rate: 0.1, batch: 50}'
MEMBER='privacy: {unit: member, epsilon: 2, delta: 1e-5, clip: 1}'
n=0
SPLIT='split: {key: 1}'
write() { printf '%s\n' "$HEAD" "$SPLIT" "$@" >"$PLAN"; }
# refused REGEX LINES...: by plan-check, by the planning verb, by start
refused() {
    local regex=$1 verb
    shift
    write "$@"
    n=$((n + 1))
    for verb in "plan-check $PLAN" "privacy --plan $PLAN" "start --dir $FED $PLAN"; do
        # shellcheck disable=SC2086
        expect_status 3 "refused$n" coordinator $verb
        expect_line "refused$n" "plan.yaml:[0-9]+:[0-9]+: .*$regex" 1
    done
}

fed_data 3 60
fed_init
fed_serve --dir "$FED"
fed_enrol 3

say "plans"
write "$MODEL" "$TRAIN" "$CUSTOMER"
expect_status 0 good coordinator plan-check "$PLAN"
write "$MODEL" "$TRAIN" "$MEMBER"
expect_status 0 good coordinator plan-check "$PLAN"
for privacy in "$CUSTOMER" "$MEMBER"; do
    # Weights that members report of themselves; noise without clipping; without an end; no such goal.
    refused 'examples_log2.*weights are equal, or fixed' "$MODEL" "$TRAIN" 'aggregation: {weights: examples_log2}' "$privacy"
    refused "no '?clip" "$MODEL" "$TRAIN" "${privacy/, clip: 1/}"
    refused 'training.rounds' "$MODEL" 'training: {rounds: 0}' "$privacy"
    refused 'delta' "$MODEL" "$TRAIN" "${privacy/, delta: 1e-5/}"
    refused "epsilon is '0'" "$MODEL" "$TRAIN" "${privacy/epsilon: 2/epsilon: 0}"
    refused "max_members_per_person is '0'|max_members_per_person.*1 to 64" "$MODEL" "$TRAIN" "${privacy/clip: 1/clip: 1, max_members_per_person: 0}"
    refused "max_members_per_person.*64" "$MODEL" "$TRAIN" "${privacy/clip: 1/clip: 1, max_members_per_person: 65}"
    SPLIT='split: {key: 1, validation: 0.1}'
    refused 'validation rows choose.*uncovered' "$MODEL" "$TRAIN" "$privacy"
    SPLIT='split: {key: 1}'
done
# A grid on which the noise would not be safe, and one that it does not fit.
refused 'at least 1024 are needed' "$MODEL" "$TRAIN" "${CUSTOMER/batch: 50/batch: 50, scale_bits: 6}"
refused 'at least 1024 are needed' "$MODEL" "$TRAIN" 'aggregation: {scale_bits: 6}' "$MEMBER"
refused 'scale_bits 30.*2\^23' "$MODEL" "$TRAIN" "${CUSTOMER/batch: 50/batch: 50, scale_bits: 30}"
# What has no bound for one customer, or looks at others.
refused 'ensemble has no rule' 'model: {ensemble: 4, layers: [{dense: 8}, relu, {dense: 1}]}' "$TRAIN" "$CUSTOMER"
refused 'dropout.*place in the batch' 'model: {layers: [{dense: 8}, {dropout: 0.1}, {dense: 1}]}' "$TRAIN" "$CUSTOMER"
refused "no rate" "$MODEL" "$TRAIN" "${CUSTOMER/, rate: 0.1/}"
refused "no batch" "$MODEL" "$TRAIN" "${CUSTOMER/, batch: 50/}"
refused 'training.batch has no meaning' "$MODEL" 'training: {rounds: 5, batch: 32}' "$CUSTOMER"
refused 'rate belongs to privacy of unit customer' "$MODEL" "$TRAIN" "${MEMBER/clip: 1/clip: 1, rate: 0.5}"
refused 'epochs is 0' "$MODEL" 'training: {rounds: 5, epochs: 0}' "$MEMBER"
[ "$(status_json | jq .run)" = null ] || fail "a refused plan was stored: $(status_json)"

say "federations: unsealed copies of updates that have no noise"
fed_stop
printf '\nretention:\n  plain: 7d\n' >>"$FED/federation.yaml"
fed_serve --dir "$FED"
write "$MODEL" "$TRAIN" "$MEMBER"
expect_status 3 plain coordinator start --dir "$FED" "$PLAN"
expect_line plain 'privacy of unit member: .*federation.yaml keeps unsealed copies .*retention.plain' 1
[ "$(status_json | jq .run)" = null ] || fail "a refused run was stored"
write "$MODEL" "$TRAIN" "$CUSTOMER" # the members' own noise is in what is kept
expect_status 0 customer coordinator start --dir "$FED" "$PLAN"
fed_stop
