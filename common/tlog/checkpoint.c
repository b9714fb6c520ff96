#include "common/tlog/checkpoint.h"

#include <string.h>

#include "common/schema/text.h"
#include "common/tlog/lines.h"

enum ent_err ent_checkpoint_parse(const char *text, size_t len, struct ent_checkpoint *out)
{
    struct ent_lines lines = {text, text + len};
    struct ent_checkpoint cp = {.size = 0};
    uint8_t empty[ENT_MERKLE_BYTES];
    const char *line[3];
    const char *more;
    size_t n[3];

    for (size_t i = 0; i < 3; i++) {
        ENT_REQUIRE(ent_lines_next(&lines, &line[i], &n[i]), ENT_E_DATA,
                    "a checkpoint has three lines: origin, size, root");
    }
    ENT_REQUIRE(n[0] > 0 && ent_text_is_printable(line[0], n[0]), ENT_E_DATA,
                "a checkpoint's origin is empty or cannot be shown");
    ENT_REQUIRE(n[0] <= ENT_VKEY_NAME_MAX_BYTES, ENT_E_LIMIT, "an origin of %zu bytes, at most %d",
                n[0], ENT_VKEY_NAME_MAX_BYTES);
    memcpy(cp.origin, line[0], n[0]);
    ENT_TRY(ent_lines_number(line[1], n[1], "a checkpoint's size", ENT_MERKLE_SIZE_MAX, &cp.size));
    ENT_TRY(ent_lines_hash(line[2], n[2], "a checkpoint's root", cp.root));
    ENT_TRY(ent_sha256(NULL, 0, empty));
    ENT_REQUIRE(cp.size > 0 || memcmp(cp.root, empty, sizeof empty) == 0, ENT_E_DATA,
                "a checkpoint of size 0 with a root that is not the empty log's");
    while (ent_lines_next(&lines, &more, &n[0])) {
        ENT_REQUIRE(n[0] > 0, ENT_E_DATA, "an empty line within a checkpoint");
        cp.n_extensions++;
    }
    ENT_REQUIRE(lines.at == lines.end, ENT_E_DATA, "a checkpoint without its last newline");
    *out = cp;
    return ENT_E_OK;
}

enum ent_err ent_checkpoint_write(const struct ent_checkpoint *checkpoint, struct ent_buf *out)
{
    ENT_TRY(
        ent_buf_addf(out, "%s\n%llu\n", checkpoint->origin, (unsigned long long)checkpoint->size));
    return ent_lines_add_hash(out, checkpoint->root);
}
