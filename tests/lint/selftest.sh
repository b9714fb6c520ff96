#!/bin/sh
# selftest.sh CLANG_FORMAT: every lint fails on a planted fault, and passes on the tree without it.
formatter=$1
case "$formatter" in
*NOTFOUND) formatter= ;;
esac
lint=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d) || exit 2
trap 'rm -rf "$tree"' EXIT
cd "$tree" || exit 2
bad=0

mkdir -p common/base common/crypto common/net client/data coordinator/round proto/entente/v1
cat > common/base/a.h <<'END'
/* IN - OUT - OWNS - THREADS - SOURCE - */
#ifndef ENT_COMMON_BASE_A_H
#define ENT_COMMON_BASE_A_H
#endif
END
cp "$lint/../../common/base/banned.h" common/base/
cp "$lint/../../.clang-format" .
sed 's/BASE/CRYPTO/; s/BASE/CRYPTO/' common/base/a.h > common/crypto/a.h
for room in net client/data coordinator/round; do
    case $room in
    net) dir=common/net ;;
    *) dir=$room ;;
    esac
    guard=ENT_$(echo "$dir/a" | tr 'a-z/' 'A-Z_')_H
    printf '/* IN - OUT - OWNS - THREADS - SOURCE - */\n#ifndef %s\n#define %s\n#endif\n' "$guard" "$guard" > "$dir/a.h"
done
printf '#include "common/base/a.h"\n\n/* strcpy( is only talked about */\nconst char *t = "sprintf(";\n' > client/data/a.c
printf '// M.\nmessage M {\n  uint32 a = 1; // one\n  // two\n  uint32 b = 2;\n}\n' > proto/entente/v1/m.proto
printf 'common/base: common/base\ncommon/crypto: common/crypto common/base\ncommon/net: common/net common/base\nclient/data: client/data common/base\ncoordinator/round: coordinator/round common/base\n' > rooms.txt

run()
{
    case $1 in
    layers) sh "$lint/layers.sh" rooms.txt ;;
    format) sh "$lint/format.sh" "$formatter" ;;
    headers) sh "$lint/headers.sh" cc "-std=c17 -I." ;;
    *) sh "$lint/$1.sh" ;;
    esac > out.txt 2>&1
}

# fault LINT FILE CONTENT: the lint passes, fails with the file in place, passes again.
fault()
{
    [ -f "$2" ] && cp "$2" kept.txt
    if ! run "$1"; then
        echo "lint $1 fails on a good tree:"
        cat out.txt
        bad=1
    fi
    printf "$3" > "$2"
    if run "$1"; then
        echo "lint $1 does not see the fault in $2: $3"
        bad=1
    fi
    if [ -f kept.txt ]; then mv kept.txt "$2"; else rm "$2"; fi
}

fault layers client/data/b.c '#include "common/crypto/a.h"\n'
fault layers client/main.c '#include "coordinator/round/a.h"\n'
fault layers coordinator/main.c '#include "client/data/a.h"\n'
fault layers common/base/b.c '#include "client/data/a.h"\n'
mkdir -p common/stray
fault layers common/stray/b.c 'int x;\n'
rmdir common/stray
fault third_party client/data/b.c '#include <openssl/evp.h>\n'
fault third_party common/net/other.c '#include <openssl/ssl.h>\n'
fault third_party common/base/b.h '#include <curl/curl.h>\n'
fault headers client/data/b.h '#ifndef ENT_CLIENT_DATA_B_H\n#define ENT_CLIENT_DATA_B_H\nsize_t f(void);\n#endif\n'
fault headers client/data/b.h '#ifndef B_H\n#define B_H\n#endif\n'
fault headers client/data/a.h '#ifndef ENT_CLIENT_DATA_A_H\n#define ENT_CLIENT_DATA_A_H\n#endif\n'
fault banned client/data/b.c 'void f(char *a) { strcpy(a, "x"); }\n'
fault banned client/data/b.c 'int f(void) { return /* a */ rand (); }\n'
fault banned common/crypto/b.c 'int f(void) { return memcmp("a", "b", 1); }\n'
if [ -n "$formatter" ]; then
    fault format client/data/b.c 'int  x;\n'
fi
long=$(awk 'BEGIN { for (i = 0; i < 501; i++) printf "int x;\\n" }')
fault sizes client/data/b.c "$long"
long=$(awk 'BEGIN { for (i = 0; i < 151; i++) printf "int x;\\n" }')
fault sizes client/main.c "$long"
long=$(awk 'BEGIN { for (i = 0; i < 61; i++) printf "    f();\\n" }')
fault sizes client/data/b.c "void g(void)\n{\n$long}\n"
fault proto proto/entente/v1/m.proto 'message M {\n  uint32 a = 1;\n}\n'
fault proto proto/entente/v1/m.proto 'message M {\n  uint32 a = 1; // one\n  uint32 b = 1; // one\n}\n'
exit $bad
