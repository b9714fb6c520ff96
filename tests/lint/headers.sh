#!/bin/sh
# headers.sh CC FLAGS: every header compiles alone, those of rooms are guarded by their own name, and every room has one
# that says IN, OUT, OWNS, THREADS and SOURCE in its first lines.
. "$(dirname "$0")/common.sh"
bad=0
cc=$1
flags=$2

for file in $(sources $product tests); do
    case "$file" in
    *.h) ;;
    *) continue ;;
    esac
    # shellcheck disable=SC2086 # flags are words
    if ! $cc $flags -Werror -fsyntax-only -x c "$file"; then
        echo "$file: does not compile alone"
        bad=1
    fi
    case "$file" in
    tests/*) continue ;;
    esac
    guard=ENT_$(echo "${file%.h}" | tr 'a-z/' 'A-Z_')_H
    if ! grep -qx "#ifndef $guard" "$file"; then
        echo "$file: no include guard $guard"
        bad=1
    fi
done

for room in $(sources common client coordinator certs | sed 's|/[^/]*$||' | sort -u); do
    case "$room" in
    client | coordinator) continue ;;
    esac
    found=0
    for file in "$room"/*.h; do
        [ -f "$file" ] || continue
        top=$(head -n 12 "$file" | tr '\n' ' ')
        missing=0
        for word in IN OUT OWNS THREADS SOURCE; do
            case "$top" in
            *"$word "*) ;;
            *) missing=1 ;;
            esac
        done
        [ $missing -eq 0 ] && found=1
    done
    if [ $found -eq 0 ]; then
        echo "$room: no header opens with IN, OUT, OWNS, THREADS, SOURCE"
        bad=1
    fi
done
exit $bad
