#!/usr/bin/env bash
# All tests of Entente. Installs what is missing (as root), builds, runs; at most 15 minutes on two cores.
#   tests/run.sh          dev (unit, integration, lints, fuzz corpora), release (end to end, example plans), asan (unit, integration)
#   tests/run.sh --all    adds tsan, fuzzing, clang-tidy, long schedules, golden values and the benches
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/packages.sh

all=no
case "${1:-}" in
"") ;;
--all) all=yes ;;
*) echo "usage: tests/run.sh [--all]" >&2; exit 2 ;;
esac

need_packages deploy/apt.txt tests/apt.txt
export ENTENTE_SHARED="${ENTENTE_SHARED:-$(cd .. && pwd)/shared}"
start=$(date +%s)
logs=()
failed=()

step() { printf '\n== %s (%s s so far)\n' "$*" "$(($(date +%s) - start))"; }

compile() { # preset
    cmake --preset "$1" >build-"$1".log 2>&1 || { cat build-"$1".log; return 1; }
    cmake --build --preset "$1" >>build-"$1".log 2>&1 || { tail -n 60 build-"$1".log; return 1; }
    rm -f build-"$1".log
}

build() { # preset
    step "build $1"
    compile "$1"
}

run() { # name, preset, ctest arguments...
    local name=$1 preset=$2
    shift 2
    step "test $name"
    if ! ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "${jobs:-2}" "$@"; then
        failed+=("$name")
    fi
    cp "build/$preset/Testing/Temporary/LastTest.log" "build/${name// /-}.test.log"
    logs+=("build/${name// /-}.test.log")
}

build dev
run dev dev -LE 'e2e|examples|bench|long|golden'
build release
rm -f build/asan-computing.test.log
# The programs' tests mostly wait, so what only computes takes what they leave of the cores: the next build, and of its tests
# those without clocks.
computes='^(fuzz[.]|integration[.]privacy|unit[.]audit$)'
nice -n 19 bash -c "set -e; $(declare -f compile step run); start=$start failed=() logs=()
    compile asan
    run 'asan computing' asan -R '$computes' -LE long
    [ \${#failed[@]} -eq 0 ]" >build/behind.log 2>&1 &
asan=$!
trap 'kill "$asan" 2>/dev/null || true' EXIT
jobs=1 run e2e release -L e2e
jobs=1 run examples release -L examples
step "build asan"
behind=0
wait "$asan" || behind=$?
trap - EXIT
cat build/behind.log
[ -e build/asan-computing.test.log ] || exit "$behind" # it was not built
logs+=(build/asan-computing.test.log)
[ "$behind" -eq 0 ] || failed+=("asan computing")
run asan asan -L 'unit|integration' -LE long -E "$computes"
if [ "$all" = yes ]; then
    build tsan
    run tsan tsan -L 'unit|integration' -LE long
    build fuzz
    run fuzz fuzz -L fuzz
    jobs=1 run long release -L long
    run "golden values" dev -L golden
    jobs=1 run bench release -L bench
    step "clang-tidy"
    cmake --preset tidy >/dev/null && cmake --build --preset tidy || failed+=(tidy)
fi

step "summary"
# What could not be run here, each once.
grep -ahE '^(SKIPPED|skipped) ' "${logs[@]}" 2>/dev/null | sort -u || true
# Counted from ctest's own log: one line a test program.
passed=$(cat "${logs[@]}" 2>/dev/null | grep -ac '^Test Passed\.' || true)
lost=$(cat "${logs[@]}" 2>/dev/null | grep -ac '^Test Failed\.' || true)
if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}"
    printf '%s passed, %s failed\n' "$passed" "$((lost > 0 ? lost : 1))"
    exit 1
fi
printf '%s passed, 0 failed\n' "$passed"
