# need_packages LIST...: install what the lists name and this machine lacks; without root, say the command and stop.
need_packages() {
    local missing=() name
    command -v dpkg-query >/dev/null || { echo "this is not a Debian system: install by hand what $* name" >&2; return 0; }
    for name in $(cat "$@"); do
        if [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" != installed ]; then
            missing+=("$name")
        fi
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" != 0 ]; then
        echo "packages are missing; run: sudo apt-get update && sudo apt-get install -y ${missing[*]}" >&2
        exit 1
    fi
    echo "installing ${#missing[@]} packages: ${missing[*]}"
    if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; } >apt.log 2>&1; then
        tail -n 20 apt.log >&2
        echo "the packages could not be installed; try: apt-get install -y ${missing[*]}" >&2
        exit 1
    fi
    rm -f apt.log
}
