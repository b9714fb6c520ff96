#!/usr/bin/env bash
# The member's policy has the last word: tasks, plans, fewest members. What it declines is said on both sides, and the
# others go on without it.
source "$(dirname "$0")/lib.sh"

policy() { # LINES of member-4's policy; members are small here
    sed -i '/^policy:/,$d' "$TOP/member-4/client.yaml"
    case "$1" in *min_group*) set -- "$1" ;; *) set -- "$1
  min_group: 1" ;; esac
    printf 'policy:\n%s\n' "$1" >>"$TOP/member-4/client.yaml"
}
go() { # a run of the plan, to its end
    rm -f "$LOGS/serve.log" "$LOGS"/member-?.log
    fed_serve
    fed_run 4
    for i in 1 2 3 4; do expect_line serve "member-$i is here" 10; done
    fed_start
    expect_exit serve 60
    members_exit 4 20
    expect_line serve 'run [0-9]+ is complete' 1
    same_models 4
}

fed_new 4 1200 2
fed_serve
fed_enrol 4
fed_stop
digest=$(coordinator plan-check "$PLAN" | grep -oE '[0-9a-f]{64}' | head -n 1)
[ "$digest" = "$(sha256sum <"$PLAN" | cut -d' ' -f1)" ] || fail "plan-check prints another digest: $digest"

say "no training"
policy '  tasks: [stats, evaluate]'
client check --dir "$TOP/member-4" --plan "$PLAN" >"$LOGS/check.log" 2>&1 || true
expect_line check 'training .*not|takes part in stats, evaluate' 1
go
expect_line member-4 'round 2 \(training\): this member does not take part: .*(policy|train)' 1
expect_line serve 'member-4 declines: .*train' 1
expect_line serve 'round 1 of [0-9]+ \(stats\) closed with 4 members' 1
expect_line serve 'round 2 of [0-9]+ \(train\) closed with 3 members.*without member-4' 1
expect_line serve 'evaluate validation\) closed with 4 members' 1

say "few customers: it trains, and nothing of its validation and test rows leaves"
policy '  min_customers: 50'
client check --dir "$TOP/member-4" --plan "$PLAN" >"$LOGS/check.log" 2>&1 || fail "check: $(tail -1 "$LOGS/check.log")"
expect_line check 'parts that take part .policy.min_customers: 50.: training yes, validation no, test no' 1
expect_line check 'can take part, but not in what is NOT ALLOWED' 1
go
expect_line member-4 'evaluation.*: this member does not take part: the validation rows .*policy.min_customers' 1
expect_line serve 'member-4 declines: the validation rows are of fewer customers than' 1
expect_line serve 'round 2 of [0-9]+ \(train\) closed with 4 members' 1
expect_line serve 'evaluate test\) closed with 3 members' 1

say "a floor on groups: it trains, and tells of its validation and test rows with zeros, which nobody can tell from none"
policy '  min_group: 60'
client check --dir "$TOP/member-4" --plan "$PLAN" >"$LOGS/check.log" 2>&1 || fail "check: $(tail -1 "$LOGS/check.log")"
expect_line check 'training yes, validation zeros, test zeros' 1
expect_line check 'floor on groups: 60 customers .the plan.s min_group 1, policy.min_group 60.; of fewer, so sent as zeros: validation, test' 1
go
expect_no_line serve 'declines'
expect_line serve 'evaluate test\) closed with 4 members' 1
expect_line member-4 'own test rows: .*stay here' 1

say "a floor above everybody: no figure is made up"
policy '  min_customers: 1'
yaml_set "$PLAN" min_group 100
go
expect_line serve 'round [0-9]+ of [0-9]+ .evaluate validation. closed with 4 members: no rows to judge by: .*min_group' 1
expect_no_line serve '[^a-z]nan[^a-z]'
yaml_set "$PLAN" min_group 1

say "only plans that were read: another one, then this one"
policy "  plans: [$(printf '0%.0s' $(seq 64))]"
expect_status 23 plans client check --dir "$TOP/member-4" --plan "$PLAN"
expect_line plans "${digest:0:8}" 1
go
expect_line member-4 'round 1 \(statistics\): this member does not take part: .*plan' 1
expect_line serve 'member-4 declines: .*plan' 1
expect_no_line serve 'closed with 4 members'
policy "  plans: [$digest]"
expect_status 0 plans2 client check --dir "$TOP/member-4" --plan "$PLAN"
go
expect_no_line serve 'declines'
expect_no_line serve 'without'

say "more members than the plan asks for"
policy '  min_members: 4'
go
expect_line member-4 'does not take part: .*(4|four)' 1
expect_line serve 'member-4 declines: .*4' 1
yaml_set "$PLAN" min_members 4
go
expect_no_line serve 'declines'

say "nothing at all"
policy '  tasks: []'
yaml_set "$PLAN" min_members 3
go
[ "$(count_lines member-4 'this member does not take part')" -ge 5 ] || fail "not each round is declined"
[ "$(count_lines serve 'member-4 declines')" -eq 1 ] || fail "it is not said once a run"
expect_line member-4 '^stopped: 0 updates accepted, 0 bytes sent' 1

say "a run that cannot go on for it: status says who declines, and why"
yaml_set "$PLAN" min_members 4
rm -f "$LOGS/serve.log" "$LOGS"/member-?.log
fed_serve
fed_run 4
fed_start
expect_line serve 'member-4 declines: ' 20
coordinator status --dir "$FED" >"$LOGS/status.log" 2>&1 || fail "status: $(cat "$LOGS/status.log")"
expect_line status '^member-4 declines: .*[(]1 time in this run[)]' 1
[ "$(status_json | jq -r '.members[] | select(.declines) | .name + " " + .declines.code')" = 'member-4 policy' ] || fail "$(status_json)"
