#!/usr/bin/env bash
# Four members, an undisturbed run: one model everywhere, scores for every row, status for programs at any time.
source "$(dirname "$0")/lib.sh"

fed_new 4 2000 4
fed_serve
fed_enrol 4
for i in 1 2 3 4; do
    expect_status 0 check client check --dir "$TOP/member-$i" --plan "$PLAN"
    expect_status 0 checkjson client check --dir "$TOP/member-$i" --plan "$PLAN" --json
    jq -e . "$LOGS/checkjson.log" >/dev/null || fail "check --json is no JSON"
done
say "status before there is a run"
status_json | jq -e '.run == null and (.members | length) == 4' >/dev/null || fail "$(status_json)"
coordinator roster --dir "$FED" | grep -q member-4 || fail "roster"
coordinator roster --dir "$FED" --json | jq -e '.members | length == 4' >/dev/null || fail "roster --json"

fed_run 4
fed_start
during=0
while alive serve; do # status --json is one object whenever it is asked for
    coordinator status --dir "$FED" --json >"$TOP/status.json" 2>"$TOP/status.err" || { alive serve || break; fail "$(cat "$TOP/status.err")"; }
    jq -e '.federation.name == "e2e" and .run.number == 1' "$TOP/status.json" >/dev/null || fail "$(cat "$TOP/status.json")"
    during=$((during + 1))
    sleep 0.02
done
[ "$during" -gt 2 ] || fail "status was asked for $during times only"
fed_finish 4
expect_line serve 'round 1 of [0-9]+ \(stats\) closed with 4 members' 1
expect_line serve 'evaluate test\) closed with 4 members: log loss 0\.[0-9]+, AUC 0\.[0-9]+' 1
expect_line serve '^best model: models/[0-9a-f]{64}' 1
expect_no_line serve 'without'
for i in 1 2 3 4; do
    expect_line "member-$i" 'the run.s best model is in' 1
    expect_line "member-$i" '^stopped: [0-9]+ updates accepted' 1
done

say "status after the run, without serve"
status_json | jq -e '.federation.serving == false and .run.state == "complete" and .run.train_done == 4' >/dev/null ||
    fail "$(status_json)"
status_json | jq -e '[.run.rounds[] | select(.accepted != 4)] | length == 0' >/dev/null || fail "$(status_json)"

say "scores"
for i in 1 2 3 4; do
    expect_status 0 score client score --dir "$TOP/member-$i" --model "$TOP/member-$i/global.safetensors" \
        --input "$TOP/data/member-$i.csv" --output "$TOP/scores.csv"
    [ "$(wc -l <"$TOP/scores.csv")" -eq "$(wc -l <"$TOP/data/member-$i.csv")" ] || fail "scores: wrong number of rows"
    head -n 1 "$TOP/scores.csv" | grep -q '^customer_id,' || fail "$(head -n 1 "$TOP/scores.csv")"
    paste -d, <(cut -d, -f1 "$TOP/scores.csv") <(cut -d, -f1 "$TOP/data/member-$i.csv") |
        awk -F, '$1 != $2 { bad++ } END { exit bad > 0 }' || fail "scores: not in the order of the rows"
    tail -n +2 "$TOP/scores.csv" | awk -F, '!($2 > 0 && $2 < 1) { bad++ } END { exit bad > 0 }' || fail "scores: not in (0, 1)"
    rm "$TOP/scores.csv"
done

say "the model needs nothing but itself; a run from standard input; the second start has the next number"
gzip -c "$TOP/data/member-1.csv" >"$TOP/new.csv.gz"
expect_status 0 score1 client score --model "$TOP/member-1/global.safetensors" --input "$TOP/new.csv.gz" --output "$TOP/a.csv" --id customer_id
client score --model "$TOP/member-2/global.safetensors" --input - --output "$TOP/b.csv" --id customer_id <"$TOP/data/member-1.csv" >/dev/null 2>&1
cmp "$TOP/a.csv" "$TOP/b.csv"
coordinator start --dir "$FED" "$PLAN" >"$LOGS/start2.log"
expect_line start2 'run 2, [0-9]+ rounds: starts when serve runs' 1
expect_status 7 start3 coordinator start --dir "$FED" "$PLAN"
expect_line start3 'run 2 is' 1
expect_status 0 stop coordinator stop --dir "$FED"
