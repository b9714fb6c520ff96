#!/usr/bin/env bash
# What is wrong with files and command lines is said with its place and what is allowed, and the exit status says which
# kind it was.
source "$(dirname "$0")/lib.sh"

# broken FILE SED-EXPRESSION REGEX COMMAND...: FILE bent for one command; status 3 and one line
n=0
broken() {
    local file=$1 expression=$2 regex=$3
    shift 3
    cp "$file" "$TOP/whole"
    sed -i -E "$expression" "$file"
    ! cmp -s "$file" "$TOP/whole" || fail "the expression changes nothing: $expression"
    n=$((n + 1))
    expect_status 3 "broken$n" "$@"
    expect_line "broken$n" "$(basename "$file"):[0-9]+:[0-9]+: $regex" 1
    [ "$(wc -l <"$LOGS/broken$n.log")" -eq 1 ] || fail "more than one line: $(cat "$LOGS/broken$n.log")"
    mv "$TOP/whole" "$file"
}

fed_new 3 600 2
fed_serve --dir "$FED"
fed_enrol 3

say "plan.yaml"
check=(coordinator plan-check "$PLAN")
broken "$PLAN" 's/^training:/trainin:/' ".*trainin.*did you mean.*training" "${check[@]}"
broken "$PLAN" 's/^  epochs: 1/  epoch: 1/' ".*epoch.*did you mean.*epochs" "${check[@]}"
broken "$PLAN" 's/rounds: 2/rounds: many/' ".*rounds is 'many'" "${check[@]}"
broken "$PLAN" 's/rounds: 2/rounds: 9999999/' ".*rounds is '9999999'.*100000" "${check[@]}"
broken "$PLAN" 's/rate: [0-9.]+/rate: -1/' ".*rate is '-1'" "${check[@]}"
broken "$PLAN" 's/sgd:/sdg:/' ".*sdg.*sgd" "${check[@]}"
broken "$PLAN" 's/type: boolean/type: bolean/' ".*bolean.*boolean" "${check[@]}"
broken "$PLAN" 's/validation: 0.1/validation: 0.9/' ".*0.9" "${check[@]}"
broken "$PLAN" 's/join: 5s/join: 5 parsecs/' ".*join is '5 parsecs'" "${check[@]}"
broken "$PLAN" 's/name: visits/name: age/' ".*age" "${check[@]}"
broken "$PLAN" 's/name: bought/name: age/' ".*age" "${check[@]}"
broken "$PLAN" 's/^features:/features: [/' ".*" "${check[@]}"
broken "$PLAN" 's/^(label:.*)/\1\nlabel: {name: b, positive: c}/' ".*label.*stands here a second time" "${check[@]}"
broken "$PLAN" 's/rounds: 2/rounds: many/' ".*rounds is 'many'" coordinator start --dir "$FED" "$PLAN"
[ "$(status_json | jq .run)" = null ] || fail "a bad plan was stored"
broken "$PLAN" 's/rounds: 2/rounds: many/' ".*rounds is 'many'" client check --dir "$TOP/member-1" --plan "$PLAN"
expect_status 0 good "${check[@]}"

say "client.yaml"
config=$TOP/member-1/client.yaml
run=(client run --dir "$TOP/member-1" --once)
broken "$config" 's/^data:/dta:/' ".*dta.*did you mean.*data" "${run[@]}"
broken "$config" 's/bad_rows: fail/bad_rows: keep/' ".*unknown bad_rows 'keep'.*fail.*drop" "${run[@]}"
broken "$config" 's/delimiter: ","/delimiter: "|"/' ".*delimiter is '\|'" "${run[@]}"
broken "$config" 's/^  tasks: .*/  tasks: [stats, trian]/' ".*trian.*train" "${run[@]}"
broken "$config" 's/^  min_members: 3/  min_members: 1/' ".*min_members is '1'.*2" "${run[@]}"
broken "$config" 's/^  plans: any/  plans: [12]/' ".*64 hex digits" "${run[@]}"
broken "$config" 's/^coordinator:.*/coordinator: somewhere/' ".*coordinator is 'somewhere'.*HOST:PORT" "${run[@]}"
broken "$config" 's/^  path:.*//' ".*has no 'path'" "${run[@]}"
broken "$config" 's/^data:/dta:/' ".*dta" client check --dir "$TOP/member-1" --plan "$PLAN"

say "federation.yaml: serve does not start; the old one runs on"
expect_status 8 busy coordinator serve --dir "$FED"
expect_line busy "in use by process ${PID[serve]}" 1
expect_status 8 busy2 coordinator serve --dir "$FED" --once
alive serve
fed_stop
yaml=$FED/federation.yaml
serve=(coordinator serve --dir "$FED")
broken "$yaml" 's/^limits:/limit:/' ".*limit.*did you mean.*limits" "${serve[@]}"
broken "$yaml" 's/min_members: 3/min_members: 1/' ".*min_members is '1'.*2" "${serve[@]}"
broken "$yaml" 's/handshake: 2s/handshake: soon/' ".*handshake is 'soon'" "${serve[@]}"
broken "$yaml" 's/update: 64MiB/update: 64 elephants/' ".*update is '64 elephants'" "${serve[@]}"
broken "$yaml" 's/^listen: .*/listen: "7443"/' ".*listen is '7443'" "${serve[@]}"
broken "$yaml" 's/^name: .*//' ".*has no 'name'" "${serve[@]}"
sed -i 's/^listen:.*/listen: "127.0.0.1:1"/' "$yaml"
if [ "$(id -u)" -ne 0 ]; then
    expect_status 10 port "${serve[@]}"
    expect_line port '127.0.0.1:1: .*[Pp]ermission' 1
fi
sed -i 's/^listen:.*/listen: "192.0.2.1:0"/' "$yaml" # nobody's address
expect_status 10 listen "${serve[@]}"
expect_line listen '192.0.2.1.*(annot|not available|in use|invalid)' 1
sed -i 's/^listen:.*/listen: "127.0.0.1:0"/' "$yaml"

say "a second run while one is active"
fed_serve --dir "$FED"
fed_start
expect_status 7 second coordinator start --dir "$FED" "$PLAN"
expect_line second 'run 1 is (not over yet|going on)' 1
expect_status 0 stop coordinator stop --dir "$FED"
expect_status 6 stop2 coordinator stop --dir "$FED"
expect_line stop2 'no run is going on' 1

say "keys and directories"
for key in log.key ca.key coordinator.key enroll.key; do
    fed_stop
    chmod 644 "$FED/keys/$key"
    expect_status 35 wide "${serve[@]}"
    expect_line wide "$key.*can be read by others.*chmod 600" 1
    chmod 600 "$FED/keys/$key"
    fed_serve --dir "$FED"
done
fed_stop
expect_status 6 nowhere coordinator serve --dir "$TOP/is-not-there"
expect_line nowhere 'is-not-there.*init' 1
expect_status 7 initagain coordinator init --dir "$FED" --name x --host localhost
expect_line initagain 'is there already' 1
expect_status 6 notenrolled client run --dir "$TOP/data" --once
expect_line notenrolled 'enrol' 1

say "command lines"
usage() { # REGEX COMMAND...
    local regex=$1
    shift
    n=$((n + 1))
    expect_status 2 "usage$n" "$@"
    expect_line "usage$n" "$regex" 1
}
usage 'no option (--)?drr; did you mean (--)?dir\?' coordinator serve --drr x
usage 'no .*srve.*did you mean serve\?' coordinator srve --dir x
usage '--dir DIR is missing' coordinator serve
usage '--dir needs a value' coordinator serve --dir
usage '--once takes no value' coordinator serve --dir x --once=yes
usage 'PLAN is missing' coordinator plan-check
usage 'one argument too many' coordinator plan-check a b
usage 'no option (--)?mdel; did you mean (--)?model\?' client score --mdel x
usage 'no .*trian.*did you mean train\?' client trian
for program in coordinator client; do
    expect_status 0 help "$program" --help
    for verb in $(awk '/^  [a-z-]+ +[A-Z]/ { print $1 }' "$LOGS/help.log"); do
        expect_status 0 verb "$program" "$verb" --help
        grep -q '^Example:' "$LOGS/verb.log" || fail "$program $verb --help has no example"
        grep -q '^Exit statuses:' "$LOGS/verb.log" || fail "$program $verb --help has no exit statuses"
        expect_status 0 version "$program" "$verb" --version
        grep -q 'OpenSSL' "$LOGS/version.log" || fail "$program $verb --version names no libraries"
    done
done
