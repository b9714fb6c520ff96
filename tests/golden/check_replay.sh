#!/bin/sh
# Replays exports with several builds of entente-audit: each must find every round bit-identical, and all must say the same
# of every round. What differs is how they were compiled:
#   gcc-O0   gcc without optimisation          gcc-O3   gcc with all of it, and all that this processor can
#   clang    another compiler                  plain    without kernels for particular processors
#   own      the entente-audit in ENTENTE_BIN, as it is
#
#   check_replay.sh [--builds "gcc-O0 gcc-O3 clang plain"] EXPORT POLICY KEY
#   check_replay.sh [--builds ...] --made-by TEST_AUDIT     exports that the unit test program writes: one for each server
#                                                           optimizer
# Builds stand in ENTENTE_REPLAY_BUILD (default build/replay), so that a second time only compiles what changed.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
names="gcc-O0 gcc-O3 clang plain"
maker=
while [ $# -gt 0 ]; do
    case "$1" in
    --builds) names=$2; shift 2 ;;
    --made-by) maker=$2; shift 2 ;;
    --*) echo "unknown option $1" >&2; exit 2 ;;
    *) break ;;
    esac
done
if [ -z "$maker" ] && [ $# -ne 3 ]; then
    sed -n '2,/^set -eu/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2
    exit 2
fi
builds=${ENTENTE_REPLAY_BUILD:-$here/build/replay}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

launcher=
if command -v ccache >/dev/null 2>&1; then
    launcher=-DCMAKE_C_COMPILER_LAUNCHER=ccache
fi
generator="Unix Makefiles"
if command -v ninja >/dev/null 2>&1; then
    generator=Ninja
fi

program_of() { # name
    if [ "$1" = own ]; then
        echo "${ENTENTE_BIN:-$here/build/release/bin}/entente-audit"
    else
        echo "$builds/$1/bin/entente-audit"
    fi
}

build() { # name, compiler, flags, more for cmake
    name=$1 compiler=$2 flags=$3
    shift 3
    if ! command -v "$compiler" >/dev/null 2>&1; then
        echo "$compiler is not here" >"$work/build.log"
        return 1
    fi
    cmake -S "$here" -B "$builds/$name" -G "$generator" -DCMAKE_C_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Replay \
        -DCMAKE_C_FLAGS_REPLAY="$flags" $launcher "$@" >"$work/build.log" 2>&1 &&
        cmake --build "$builds/$name" -j "${ENTENTE_JOBS:-2}" --target entente-audit >>"$work/build.log" 2>&1
}

make_build() { # name
    case "$1" in
    own) [ -x "$(program_of own)" ] ;;
    gcc-O0) build "$1" gcc "-O0" ;;
    gcc-O3) build "$1" gcc "-O3 -march=native" ;;
    clang) build "$1" clang "-O2" ;;
    plain) build "$1" gcc "-O2" -DENT_PLAIN_KERNELS=ON ;;
    *) echo "no build is called $1" >&2; exit 2 ;;
    esac
}

bad=0
for name in $names; do
    if ! make_build "$name"; then
        tail -n 40 "$work/build.log" 2>/dev/null || true
        echo "FAILED: $name cannot be built"
        exit 1
    fi
done

# What the builds must agree on: everything but the build itself.
same_part() { # json
    sed 's/"build":{[^}]*},//' "$1"
}

replay() { # what, export, policy, key
    first=
    for name in $names; do
        program=$(program_of "$name")
        if ! "$program" replay "$2" --policy "$3" --key "$4" >"$work/$name.txt" 2>&1; then
            cat "$work/$name.txt"
            echo "FAILED: $1 with $name"
            bad=1
            continue
        fi
        "$program" replay "$2" --policy "$3" --key "$4" --json >"$work/$name.json"
        same_part "$work/$name.json" >"$work/$name.same"
        if [ -z "$first" ]; then
            first=$name
            printf '\n%s\n' "$1"
        elif ! cmp -s "$work/$first.same" "$work/$name.same"; then
            echo "FAILED: $1: $name does not say what $first says"
            bad=1
        fi
        printf '  %-8s %s\n' "$name" "$(sed -n 's/^VERDICT //p' "$work/$name.txt")"
    done
}

if [ -n "$maker" ]; then
    ENTENTE_REPLAY_OUT="$work/exports" "$maker" replay_files >"$work/maker.log" 2>&1 || {
        cat "$work/maker.log"
        exit 1
    }
    for dir in "$work"/exports/*/; do
        replay "server optimizer $(basename "$dir")" "$dir/export" "$dir/policy" "$dir/auditor.x25519"
    done
else
    replay "$1" "$1" "$2" "$3"
fi

printf '\nbuilds\n'
for name in $names; do
    if [ ! -s "$work/$name.txt" ]; then
        continue
    fi
    for what in compiler flags kernels self-test; do
        printf '  %-8s %-10s %s\n' "$name" "$what" "$(sed -n "s/^$what  *//p" "$work/$name.txt")"
    done
done
exit $bad
