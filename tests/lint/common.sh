# Shared by the lints: run from the root of the source tree.
product="common client coordinator audit simulate certs"

# Files of the folders that exist: sources FOLDERS... (names without blanks).
sources()
{
    for dir in "$@"; do
        if [ -d "$dir" ]; then
            find "$dir" -name '*.[ch]' -type f
        fi
    done | sort
}

# The code of a file, line for line, without comments and without what stands in quotes.
code_of()
{
    awk '{
        line = $0; out = ""
        while (line != "") {
            if (inside) {
                end = index(line, "*/")
                if (end == 0) { line = ""; break }
                line = substr(line, end + 2); inside = 0
            } else if (match(line, /\/\*|\/\/|"|'"'"'/)) {
                out = out substr(line, 1, RSTART - 1)
                token = substr(line, RSTART, RLENGTH)
                line = substr(line, RSTART + RLENGTH)
                if (token == "/*") { inside = 1; out = out " " }
                else if (token == "//") { line = "" }
                else {
                    # to the closing quote, over escaped characters
                    while (line != "" && substr(line, 1, 1) != token) {
                        line = substr(line, substr(line, 1, 1) == "\\" ? 3 : 2)
                    }
                    line = substr(line, 2); out = out token token
                }
            } else { out = out line; line = "" }
        }
        print out
    }' "$1"
}
