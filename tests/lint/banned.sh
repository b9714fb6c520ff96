#!/bin/sh
# The calls of common/base/banned.h, as words of code; and memcmp where secrets are compared.
. "$(dirname "$0")/common.sh"
bad=0
words=$(sed -n '/GCC poison/,$p' common/base/banned.h | sed 's/.*GCC poison//; s/\\$//; /^#/d' | tr -s ' \n' '\n\n' | grep -v '^$' | tr '\n' '|' | sed 's/|$//')

if [ -z "$words" ]; then
    echo "common/base/banned.h: no list found"
    exit 1
fi
for file in $(sources $product); do
    [ "$file" = common/base/banned.h ] && continue
    pattern="(^|[^A-Za-z0-9_.>])($words) *\\("
    case "$file" in
    common/crypto/* | common/secagg/*) pattern="(^|[^A-Za-z0-9_.>])($words|memcmp) *\\(" ;;
    esac
    if code_of "$file" | grep -nE "$pattern"; then
        echo "$file: banned call (common/base/banned.h; in crypto/ and secagg/ also memcmp)"
        bad=1
    fi
done
exit $bad
