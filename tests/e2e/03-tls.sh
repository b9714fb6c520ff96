#!/usr/bin/env bash
# Who must not get in: each refusal is said on both sides, and the run of the others finishes.
source "$(dirname "$0")/lib.sh"

CERT=$TESTBIN/entente-e2e-cert
[ -x "$CERT" ] || fail "$CERT is not built"
# intruder NAME REGEX-AT-THE-MEMBER REGEX-AT-THE-COORDINATOR [STATUS]: its directory is there already. It either ends by
# itself with STATUS, or goes on trying until it is stopped (then 0).
intruder() {
    local before
    before=$(wc -l <"$LOGS/serve.log")
    member "$1"
    expect_line "$1" "$2" 10
    wait_for 10 eval "tail -n +$((before + 1)) '$LOGS/serve.log' | grep -qE -- '$3'" || fail "$1: no line '$3' at the coordinator"
    if [ -z "${4:-}" ]; then
        alive "$1" || fail "$1 ended, though it could get better"
        kill -INT "${PID[$1]}"
    fi
    expect_exit "$1" 5 "${4:-0}"
}

fed_new 4 1600 12
fed_serve
fed_enrol 4

say "certificates of this federation's authority that must not do"
for kind in expired notyet server nosan stranger; do
    cp -r "$TOP/member-2" "$TOP/$kind"
    "$CERT" "$FED" "$TOP/$kind" "$kind"
done
intruder expired 'not connected: .*certificate expired' 'not admitted: 127.*: certificate has expired'
intruder notyet 'not connected: .*bad certificate' 'not admitted: 127.*: certificate is not yet valid'
intruder server 'not connected: .*unsupported certificate' 'not admitted: 127.*: unsuitable certificate purpose'
intruder nosan 'entente-client: .*names no member' 'refused \(unknown_member\): the certificate names no member' 18
intruder stranger 'entente-client: .*another member than' 'refused \(unknown_member\): .*another member than' 18

say "certificates and keys that do not fit together; keys that others may read"
cp -r "$TOP/member-2" "$TOP/mixed"
{ sed '/BEGIN CERTIFICATE/,$d' "$TOP/member-3/keys/tls.pem"; sed -n '/BEGIN CERTIFICATE/,$p' "$TOP/member-2/keys/tls.pem"; } >"$TOP/mixed/keys/tls.pem"
status=0
client run --dir "$TOP/mixed" --once >"$LOGS/mixed.log" 2>&1 || status=$?
[ "$status" -ne 0 ] || fail "a key that is not the certificate's"
[ "$(wc -l <"$LOGS/mixed.log")" -eq 1 ] || fail "not one line"
for file in tls.pem statement.key; do
    rm -rf "$TOP/wide"
    cp -r "$TOP/member-2" "$TOP/wide"
    chmod 640 "$TOP/wide/keys/$file"
    expect_status 35 wide client run --dir "$TOP/wide" --once
    expect_line wide "$file.*(chmod|640|0600|others)" 1
done

say "another federation's authority, on either side; another host name"
mv "$FED" "$TOP/first"
mv "$LOGS/serve.log" "$LOGS/first.log"
PID[first]=${PID[serve]}
fed_init other
fed_serve --dir "$FED"
fed_enrol_one eve "$TOP/data/member-1.csv"
there=$(port)
kill -INT "${PID[serve]}"
expect_exit serve 10
rm -rf "$FED"
mv "$TOP/first" "$FED"
mv "$LOGS/first.log" "$LOGS/serve.log"
PID[serve]=${PID[first]}
unset "PID[first]"
here=$(port)
[ "$here" != "$there" ]
sed -i "s/^coordinator:.*/coordinator: localhost:$here/" "$TOP/eve/client.yaml"
intruder eve 'not connected: .*local issuer certificate' 'not admitted: 127.*: .*unknown ca'
(sleep 1) | openssl s_client -quiet -connect "127.0.0.1:$here" -cert "$TOP/eve/keys/tls.pem" -key "$TOP/eve/keys/tls.pem" >"$LOGS/s_client.log" 2>&1 || true
expect_line s_client 'alert unknown ca' 1
expect_line serve 'not admitted: 127.*: unable to get local issuer certificate' 5
cp -r "$TOP/member-1" "$TOP/host"
sed -i "s/^coordinator:.*/coordinator: 127.0.0.1:$here/" "$TOP/host/client.yaml" # the certificate is for localhost
intruder host 'not connected: IP address mismatch' 'not admitted: 127.*: .*bad certificate'

say "no certificate; TLS 1.2; the enrolment listener wants neither and speaks nothing but enrolment"
(sleep 1) | openssl s_client -quiet -connect "127.0.0.1:$here" >"$LOGS/nocert.log" 2>&1 || true
expect_line nocert 'alert certificate required' 1
expect_line serve 'not admitted: 127.*: peer did not return a certificate' 5
(sleep 1) | openssl s_client -tls1_2 -connect "127.0.0.1:$here" -cert "$TOP/member-1/keys/tls.pem" -key "$TOP/member-1/keys/tls.pem" \
    >"$LOGS/tls12.log" 2>&1 || true
expect_line tls12 'alert protocol version' 1
expect_line serve 'not admitted: 127.*: unsupported protocol' 5
(sleep 1) | openssl s_client -tls1_2 -connect "$(enrol_address)" >"$LOGS/tls12e.log" 2>&1 || true
expect_line tls12e 'alert protocol version' 1
cp -r "$TOP/member-1" "$TOP/door"
sed -i "s/^coordinator:.*/coordinator: localhost:$(enrol_address | sed 's/.*://')/" "$TOP/door/client.yaml"
member door
expect_line door 'refused: only enrolment is possible at this address' 10
kill -INT "${PID[door]}"
expect_exit door 5

say "revoked while connected: closed at once, said, and not let in again; the others finish"
fed_run 4
for i in 1 2 3 4; do expect_line serve "member-$i is here" 10; done
fed_start
expect_line serve 'round 4 of [0-9]+ .* closed' 20
coordinator revoke --dir "$FED" member-4 >"$LOGS/revoke.log"
expect_line revoke 'member-4 is revoked' 1
expect_exit member-4 5 19
expect_line member-4 'entente-client: the coordinator refused: this member was revoked' 1
expect_line serve 'member-4 revoked' 5
if alive serve; then intruder member-4 'entente-client: not connected: .*certificate revoked' 'not admitted: 127.*: certificate revoked' 19; fi
expect_exit serve 60
members_exit 3 20
expect_line serve 'run 1 is complete' 1
expect_line serve 'closed with 3 members' 1
same_models 3
coordinator roster --dir "$FED" | grep -q 'member-4 *revoked' || fail "roster"
expect_status 7 revoked2 coordinator revoke --dir "$FED" member-4
expect_status 6 revoked3 coordinator revoke --dir "$FED" nobody
