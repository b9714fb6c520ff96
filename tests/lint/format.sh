#!/bin/sh
# format.sh CLANG_FORMAT: sources are as .clang-format says. `clang-format -i FILE` cures.
. "$(dirname "$0")/common.sh"
tool=$1

case "$tool" in
"" | *NOTFOUND)
    echo "SKIPPED: clang-format is not installed (tests/apt.txt)"
    exit 77
    ;;
esac
if ! "$tool" --version | grep -q 'version 14'; then
    echo "SKIPPED: $("$tool" --version); the style was written with version 14"
    exit 77
fi
# shellcheck disable=SC2046 # file names without blanks
found=$("$tool" --dry-run $(sources $product tests deploy) 2>&1 | sed -n 's/^\([^ :]*\):[0-9]*:[0-9]*: warning: code should be clang-formatted.*/\1/p' | sort -u)
if [ -n "$found" ]; then
    echo "not formatted (clang-format -i FILE):"
    echo "$found"
    exit 1
fi
