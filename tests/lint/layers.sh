#!/bin/sh
# layers.sh ROOMS: a room includes only rooms that it declares (ROOMS: "room: room dep dep", written by CMake), client/ and
# coordinator/ never include each other, and common/ includes neither.
bad=0

while IFS=: read -r room allowed; do
    [ -d "$room" ] || continue
    for file in "$room"/*.[ch]; do
        [ -f "$file" ] || continue
        for inc in $(sed -n 's|^#include "\(.*\)/[^/]*"$|\1|p' "$file" | sort -u); do
            case " $allowed " in
            *" $inc "*) ;;
            *)
                echo "$file: includes $inc, which $room does not declare (CMakeLists.txt)"
                bad=1
                ;;
            esac
        done
    done
done < "$1"

across()
{
    if [ -d "$1" ] && grep -rnE "^#include \"($2)/" "$1" --include='*.[ch]'; then
        echo "$1 must not include $2"
        bad=1
    fi
}
across client 'coordinator|audit|simulate|tests'
across coordinator 'client|audit|simulate|tests'
across common 'client|coordinator|audit|simulate|certs|tests'
across audit 'client|coordinator|simulate|tests'
across certs 'client|coordinator|audit|simulate|tests'

# A room that CMake does not know has no layer.
. "$(dirname "$0")/common.sh"
for file in $(sources common client coordinator certs); do
    room=$(dirname "$file")
    case "$room" in
    client | coordinator) continue ;; # main.c
    esac
    if ! grep -q "^$room:" "$1"; then
        echo "$file: $room is not a room of CMakeLists.txt"
        bad=1
    fi
done
exit $bad
