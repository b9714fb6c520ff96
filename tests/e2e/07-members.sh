#!/usr/bin/env bash
# Too few members: the run waits and says for whom. A late one is left out and named. A member whose data cannot be used
# says what to do, and the coordinator whom it goes on without.
source "$(dirname "$0")/lib.sh"

say "two of three: it waits, names whom, and starts when the third comes"
fed_new 4 1200 2
yaml_set "$PLAN" update 4s
fed_serve
fed_enrol 3
member member-1
member member-2
fed_start
expect_line serve 'waiting for member-3 \(2 of at least 3 members are here\)' 15
coordinator status --dir "$FED" >"$LOGS/status.log"
expect_line status 'waiting for member-3' 1
status_json | jq -e '.run.waiting_for == ["member-3"]' >/dev/null || fail "$(status_json)"
expect_no_line serve 'run 1 is complete'
member member-3
fed_finish 3

say "a plan or a federation.yaml that asks for too few"
yaml_set "$PLAN" min_members 2
expect_status 3 toofew coordinator start --dir "$FED" "$PLAN"
expect_line toofew 'min_members is 2; federation.yaml demands at least 3' 1
yaml_set "$PLAN" min_members 3

say "a fourth that starts late is left out, named, and takes part from the next round on"
yaml_set "$PLAN" rounds 300
: >"$LOGS/serve.log"
fed_serve
fed_enrol_one member-4 "$TOP/data/member-4.csv"
fed_run 3
fed_start
expect_line serve 'round 1 of [0-9]+ \(stats\) closed with 3 members' 20 # after five seconds of waiting for the fourth
member member-4
expect_line serve 'member-4 is here' 10
expect_line serve 'closed with 4 members' 20
expect_exit serve 60
members_exit 4 20
expect_line serve 'run 2 is complete' 1
same_models 4

say "a member that is too slow: stopped while it computes, so that its update comes too late"
yaml_set "$PLAN" rounds 200
yaml_set "$PLAN" update 1s
: >"$LOGS/serve.log"
fed_serve
fed_run 4
for i in 1 2 3 4; do expect_line serve "member-$i is here" 10; done
fed_start
expect_line serve 'round 5 of' 20
kill -STOP "${PID[member-4]}"
expect_line serve 'round [0-9]+ goes on without member-4: no answer in time' 15
kill -CONT "${PID[member-4]}"
expect_exit serve 60
members_exit 4 20
expect_line serve 'run 3 is complete' 1
same_models 4
yaml_set "$PLAN" update 4s
yaml_set "$PLAN" rounds 2

say "a member whose data cannot be used: it says what to do, the others go on without it, and it goes on running"
# bad NAME REGEX-AT-THE-MEMBER REGEX-AT-THE-COORDINATOR: member-4 is the one
bad() {
    : >"$LOGS/serve.log"
    : >"$LOGS/member-4.log"
    fed_serve
    fed_run 4
    for i in 1 2 3 4; do expect_line serve "member-$i is here" 10; done
    fed_start
    expect_line member-4 "does not take part: .*$1" 20
    expect_line serve "member-4 declines: $2" 10
    expect_exit serve 60
    members_exit 3 20
    expect_exit member-4 20
    expect_line serve 'closed with 3 members.*without member-4' 1
    same_models 3
}
sed '1s/,visits,/,Visits,/' "$TOP/data/member-4.csv" >"$TOP/column.csv"
fed_config member-4 "$TOP/column.csv"
bad 'visits' 'the data cannot be used'
expect_line member-4 'column|columns' 1
expect_status 4 check client check --dir "$TOP/member-4" --plan "$PLAN"
sed '3s/,.*/,what,is,this/' "$TOP/data/member-4.csv" >"$TOP/row.csv"
fed_config member-4 "$TOP/row.csv"
bad 'line 3' 'the data cannot be used'
expect_no_line member-4 'what,is,this'
expect_no_line serve 'row.csv'
fed_config member-4 "$TOP/is-not-there.csv"
bad 'is-not-there.csv' 'a file could not|not found|the data cannot be used'
expect_no_line serve 'is-not-there'

say "values that are no numbers: by line, never the value; dropped and counted where the member says so"
awk -F, -v OFS=, 'NR == 1 || NR % 3 { print; next } { $3 = "1e400"; $4 = "nan"; print }' "$TOP/data/member-4.csv" >"$TOP/values.csv"
fed_config member-4 "$TOP/values.csv"
expect_status 4 values client check --dir "$TOP/member-4" --plan "$PLAN"
expect_line values 'rows do not parse: line 3 \(income: not a number\).*bad_rows: drop' 1
expect_no_line values '1e400'
yaml_set "$TOP/member-4/client.yaml" bad_rows drop
expect_status 0 dropped client check --dir "$TOP/member-4" --plan "$PLAN"
expect_line dropped '48' 1
fed_config member-4 "$TOP/data/member-4.csv"

# failing REGEX-AT-THE-MEMBER REGEX-AT-THE-COORDINATOR: nobody can train; the run waits until the operator stops it
failing() {
    : >"$LOGS/serve.log"
    rm -f "$LOGS"/member-?.log
    fed_serve
    fed_run 4
    fed_start
    wait_for 20 grep -qE "$1" "$LOGS"/member-1.log "$LOGS"/member-2.log "$LOGS"/member-3.log "$LOGS"/member-4.log ||
        fail "no member says '$1'"
    expect_line serve "member-. declines: $2" 10
    expect_line serve 'round 2 failed 1 times .*tried again later.*member-[1-4]' 20
    coordinator stop --dir "$FED" >"$LOGS/stop.log"
    expect_exit serve 20
    members_exit 4 20
    expect_line serve 'run [0-9]+ was stopped' 1
}
yaml_set "$PLAN" attempts 1
say "numbers outside the grid: the member says what to lower"
cp "$PLAN" "$TOP/good.yaml"
yaml_set "$PLAN" scale_bits 30
failing 'does not take part: .*scale_bits.*rate' '.*scale_bits.*rate'
say "training that runs away: NaN stops at the member"
cp "$TOP/good.yaml" "$PLAN"
yaml_set "$PLAN" epochs 30
# Without relu, which can die at a finite value, every member's weights grow until they are NaN, whoever is first.
sed -i -E -e 's/rate: [0-9.]+, momentum: 0/rate: 10, momentum: 0.99/' -e '/- (relu|dropout)/d' "$PLAN"
failing 'does not take part: .*(NaN|infinite|finite).*rate' '.*(NaN|infinite|finite)'
