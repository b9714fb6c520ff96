#!/usr/bin/env bash
# What must not be seen: keys, tokens and secrets in logs, on command lines, in environments, in files that others can
# read, in core dumps; customers' values in logs or in what the coordinator keeps.
source "$(dirname "$0")/lib.sh"

ulimit -c unlimited 2>/dev/null || true # the programs must turn it off themselves
fed_new 3 900 300
fed_serve --dir "$FED" --verbose
for i in 1 2 3; do
    coordinator invite --dir "$FED" "member-$i" --verbose 2>"$LOGS/member-$i.invite.log" >"$TOP/token-$i"
    client enroll --dir "$TOP/member-$i" <"$TOP/token-$i" >"$LOGS/member-$i.enroll.log" 2>&1
    fed_config "member-$i" "$TOP/data/member-$i.csv"
    member "member-$i" --verbose
done
for i in 1 2 3; do expect_line serve "member-$i is here" 10; done
coordinator policy --dir "$FED" --wait 30 >"$LOGS/policy.log" 2>&1 || fail "policy: $(tail -n 3 "$LOGS/policy.log")"

say "while it runs: command lines, environments, core dumps, open directories"
fed_start
expect_line serve 'round 3 of' 20
for name in serve member-1 member-2 member-3; do
    pid=${PID[$name]}
    tr '\0' ' ' <"/proc/$pid/cmdline" >"$LOGS/$name.cmdline"
    tr '\0' '\n' <"/proc/$pid/environ" >"$LOGS/$name.environ"
    grep -q 'entente-' "$LOGS/$name.cmdline" || fail "no command line of $name: $(cat "$LOGS/$name.cmdline")"
    core=$(awk '/^Max core file size/ { print $5 }' "/proc/$pid/limits")
    [ "$core" = 0 ] || fail "$name may write core dumps of $core"
    if [ -r "/proc/$pid/coredump_filter" ] && grep -q '^CoreDumping' "/proc/$pid/status"; then
        ! grep -q '^CoreDumping:.*1' "/proc/$pid/status" || fail "$name dumps core"
    fi
done
expect_exit "member-1" 60
expect_exit "member-2" 20
expect_exit "member-3" 20
fed_stop

say "no secret anywhere but in its file"
# 24 bytes out of the middle of each secret are searched for, as they stand in their files.
secrets=$TOP/secrets
for file in "$FED"/keys/* "$FED"/offline/* "$TOP"/member-?/keys/*; do
    sed -n '/PRIVATE KEY/,/PRIVATE KEY/p' "$file" | grep -v -- '-----' | head -n 2 | tail -n 1 | cut -c 5-28 >>"$secrets"
done
for i in 1 2 3; do sed 's/.*\.//' "$TOP/token-$i" | cut -c 88-110 >>"$secrets"; done # the part with the secret
[ "$(awk 'length >= 20' "$secrets" | sort -u | wc -l)" -eq "$(wc -l <"$secrets")" ] || fail "the search strings are no good: $(cat "$secrets")"
[ "$(wc -l <"$secrets")" -ge 17 ] || fail "not all secrets are searched for"
grep -rlF -f "$secrets" "$LOGS" >"$TOP/found" && fail "a secret in $(cat "$TOP/found")"
for file in "$FED"/federation.db* "$FED"/*.pem "$TOP"/member-?/state.db* "$TOP"/member-?/member.json "$TOP"/member-?/client.yaml; do
    ! grep -qaF -f "$secrets" "$file" || fail "a secret in $file"
done
# The token's secret is stored as its SHA-256 only.
python3 - "$FED/federation.db" "$TOP"/token-? <<'PY' || fail "a token's secret stands in the store"
import base64, sys
database = open(sys.argv[1], "rb").read()
for path in sys.argv[2:]:
    tail = open(path).read().strip().rsplit(".", 1)[1]
    secret = base64.urlsafe_b64decode(tail + "=" * (-len(tail) % 4))[64:80]
    assert len(secret) == 16 and secret not in database, path
PY

say "permissions"
wide=$(find "$FED"/keys "$FED"/offline "$TOP"/member-?/keys "$FED/federation.db" "$FED"/models "$FED"/updates "$TOP"/member-?/state.db \
    -perm /077)
[ -z "$wide" ] || fail "others can get at: $wide"
for dir in "$FED" "$TOP"/member-?; do [ "$(stat -c %a "$dir")" = 700 ] || fail "$dir has mode $(stat -c %a "$dir")"; done

say "no customer's row at the coordinator or in a log"
cut -d, -f1 "$TOP/data/pooled.csv" | tail -n +2 | head -n 400 >"$TOP/customers"
for place in "$FED" "$LOGS"; do
    ! grep -rqaF -f "$TOP/customers" "$place" || fail "a customer in $place"
done

say "a token on the command line is not taken"
expect_status 2 token client enroll --dir "$TOP/x" "$(cat "$TOP/token-1")"
[ "$(grep -cF -e "$(sed 's/.*\.//' "$TOP/token-1" | cut -c 88-110)" "$LOGS/token.log")" -eq 0 ] || fail "the token is repeated"
