#!/bin/sh
# A third-party header appears in one room. What is neither in this table nor in the C library is a decision: it goes into
# docs/ARCHITECTURE.md first.
. "$(dirname "$0")/common.sh"

# header's first letters, then the places where it may be
table='openssl/ common/crypto/ common/net/tls_openssl
nng/ common/net/
cblas common/math/
jansson common/json/
sqlite3 common/db/
yaml common/config/
zlib client/data/
protobuf-c/ common/schema/
entente/ common/wire/ common/tlog/
immintrin common/fixed/ common/math/'
libc=' arpa/inet assert ctype dirent elf endian errno fcntl fenv float ftw getopt grp inttypes limits locale malloc math net/if netdb netinet/in netinet/tcp poll pthread pwd sched signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string strings sys/auxv sys/file sys/ioctl sys/mman sys/prctl sys/random sys/resource sys/socket sys/stat sys/statvfs sys/time sys/types sys/uio sys/un sys/wait termios time unistd xmmintrin '

# shellcheck disable=SC2046 # file names without blanks
grep -nE '^ *# *include *<' $(sources $product) /dev/null |
    awk -v table="$table" -v libc="$libc" -F: '
        BEGIN { n = split(table, rows, "\n") }
        {
            header = $0; sub(/^[^<]*</, "", header); sub(/>.*/, "", header)
            bare = header; sub(/\.h$/, "", bare)
            known = index(libc, " " bare " ") > 0
            for (i = 1; i <= n; i++) {
                m = split(rows[i], word, " ")
                if (index(header, word[1]) != 1) { continue }
                for (j = 2; j <= m; j++) { if (index($1, word[j]) == 1) { known = 1 } }
            }
            if (!known) { printf "%s:%d: <%s> does not belong here (tests/lint/third_party.sh)\n", $1, $2, header; bad = 1 }
        }
        END { exit bad }'
