#!/usr/bin/env bash
# Enrolment: what is wrong with a token is said on both sides, and nothing is left behind; a new invitation works.
source "$(dirname "$0")/lib.sh"

bend() { python3 "$HERE/bend_token.py" "$@"; }
# Refused before or after anything was sent: refused NAME TOKENFILE STATUS REGEX [REGEX in the coordinator's log]
refused() {
    local me=$TOP/member/$1
    expect_status "$3" "$1" client enroll --dir "$me" --token-file "$2"
    expect_line "$1" "$4" 1
    [ "$(wc -l <"$LOGS/$1.log")" -eq 1 ] || fail "$1: more than one line"
    [ ! -e "$me" ] || fail "$1 left behind: $(find "$me")"
    [ -z "${5:-}" ] || expect_line serve "$5" 5
}

mkdir "$TOP/member"
fed_new 2
fed_serve --dir "$FED"
coordinator invite --dir "$FED" ann >"$TOP/ann" 2>"$LOGS/ann.invite.log"
expect_line ann.invite 'token for ann, good for one use until' 1
! grep -q "$(cut -d. -f3- "$TOP/ann" | tail -c 40)" "$LOGS"/*.log || fail "a token in a log"

say "found before anything is sent: the token stays good"
head -c 80 "$TOP/ann" >"$TOP/cut"
refused cut "$TOP/cut" 20 'token'
echo 'hello' >"$TOP/nonsense"
refused nonsense "$TOP/nonsense" 20 'token'
bend check <"$TOP/ann" >"$TOP/slip"
refused slip "$TOP/slip" 20 'token'
bend expiry 1600000000000 <"$TOP/ann" >"$TOP/old"
refused old "$TOP/old" 21 'expired.* 2020-09-13'
bend pin <"$TOP/ann" >"$TOP/pin"
refused pin "$TOP/pin" 12 'fingerprint|token|certificate'
: >"$TOP/empty"
refused empty "$TOP/empty" 20 'token'
refused absent "$TOP/is-not-there" 6 'is-not-there'

say "nobody there"
bend address 127.0.0.1:1 <"$TOP/ann" >"$TOP/nobody"
refused nobody "$TOP/nobody" 10 '127.0.0.1:1'

say "sent and refused"
bend federation <"$TOP/ann" >"$TOP/other"
refused other "$TOP/other" 13 'answer comes from another federation' 'refused .token.*another federation'
bend handle <"$TOP/ann" >"$TOP/handle"
refused handle "$TOP/handle" 20 'refused: .*unknown' 'refused \(token\).*unknown'

say "the token itself; its second use; the directory's second use"
expect_status 0 ann client enroll --dir "$TOP/annes" --token-file "$TOP/ann"
expect_line ann 'enrolled as ann in e2e' 1
expect_line serve 'ann enrolled' 5
ls "$TOP/annes" | tr '\n' ' ' | grep -qx 'ca.pem client.yaml crl.pem keys member.json \(models \)\?state.db\(-shm \|-wal \| \)*\(updates \)\?' ||
    fail "unexpected files: $(ls "$TOP/annes")"
[ "$(stat -c %a "$TOP/annes/keys" "$TOP/annes"/keys/* | sort -u | tr '\n' ' ')" = "600 700 " ] || fail "permissions of keys"
refused again "$TOP/ann" 20 'refused: .*used before' 'refused \(token\).*used before'
coordinator invite --dir "$FED" bob >"$TOP/bob" 2>/dev/null
expect_status 7 annagain client enroll --dir "$TOP/annes" --token-file "$TOP/bob"
expect_line annagain 'enrolled here already' 1
expect_status 7 inviteagain coordinator invite --dir "$FED" ann
expect_line inviteagain 'ann is enrolled already' 1

say "a wrong secret: the token is void; a second invitation works, from standard input"
bend secret <"$TOP/bob" >"$TOP/secret"
refused secret "$TOP/secret" 20 'refused: .*secret is wrong.*new invitation' 'refused \(token\).*secret is wrong'
refused void "$TOP/bob" 20 'refused: .*used before'
coordinator invite --dir "$FED" bob 2>/dev/null | client enroll --dir "$TOP/bobs" >"$LOGS/bob.log" 2>&1
expect_line bob 'enrolled as bob in e2e' 1
status_json | jq -e '[.members[] | select(.state == "enrolled") | .name] == ["ann", "bob"]' >/dev/null || fail "$(status_json)"
status_json | jq -e '[.refusals[] | select(.cause == "token")][0].count == 5' >/dev/null || fail "refusals are not counted: $(status_json)"

say "killed before the answer came: the token is used, nothing looks enrolled, a new invitation works"
coordinator invite --dir "$FED" cat >"$TOP/cat" 2>/dev/null
ENTENTE_KILL=enroll.moved expect_status 137 kill1 "$TESTBIN/entente-client" enroll --dir "$TOP/cats" --token-file "$TOP/cat"
expect_status 7 kill2 client enroll --dir "$TOP/cats" --token-file "$TOP/cat" # after the last move: it is enrolled
coordinator invite --dir "$FED" dan >"$TOP/dan" 2>/dev/null
ENTENTE_KILL=enroll.asking expect_status 137 kill3 "$TESTBIN/entente-client" enroll --dir "$TOP/dans" --token-file "$TOP/dan"
expect_status 6 kill4 client run --dir "$TOP/dans" --once
expect_line kill4 'enrol' 1
expect_status 0 kill5 client enroll --dir "$TOP/dans" --token-file "$TOP/dan" # it had not been sent yet
[ ! -e "$TOP/dans/enrolling" ] || fail "the first try's directory is still there"

say "the member's directory is lost: revoke, then invite anew under the same name"
rm -r "$TOP/dans"
expect_status 7 dan1 coordinator invite --dir "$FED" dan
expect_line dan1 'revoke it first' 1
expect_status 0 dan2 coordinator revoke --dir "$FED" dan
coordinator invite --dir "$FED" dan 2>"$LOGS/dan3.log" | client enroll --dir "$TOP/dans" >"$LOGS/dan4.log" 2>&1 || fail "dan"
expect_line dan4 'enrolled as dan in e2e' 1
status_json | jq -e '[.members[] | select(.name == "dan") | .state] | sort == ["enrolled", "revoked"]' >/dev/null || fail "$(status_json)"

kill -INT "${PID[serve]}"
expect_exit serve 10
