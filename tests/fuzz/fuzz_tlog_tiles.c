/* A first byte, then an entry bundle of that many leaves (0: 256); and the same bytes as a tile's path. A bundle that
 * opens gives its leaves within the bytes, and they make the same bundle. */
#include <stdlib.h>
#include <string.h>

#include "common/tlog/tiles.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void check_bundle(const uint8_t *bytes, size_t len, unsigned width)
{
    struct ent_tiles_bundle bundle;
    struct ent_bytes leaf;
    struct ent_buf again;
    unsigned n = 0;

    if (ent_tiles_bundle_open(bytes, len, width, &bundle) != ENT_E_OK) {
        require(ent_err_message()[0] != '\0');
        return;
    }
    ent_buf_init(&again, ENT_TILES_BUNDLE_MAX_BYTES);
    for (; ent_tiles_bundle_next(&bundle, &leaf); n++) {
        require(leaf.data >= bytes && leaf.data + leaf.len <= bytes + len);
        require(ent_tiles_bundle_add(&again, leaf.data, leaf.len) == ENT_E_OK);
    }
    require(n == width && again.len == len && memcmp(again.data, bytes, len) == 0);
    ent_buf_release(&again);
}

static void check_path(const uint8_t *bytes, size_t len)
{
    char path[2 * ENT_TILES_PATH_MAX] = {0};
    char again[ENT_TILES_PATH_MAX];
    struct ent_tile tile;

    memcpy(path, bytes, len < sizeof path - 1 ? len : sizeof path - 1);
    if (ent_tiles_parse_path(path, &tile) == ENT_E_OK) {
        ent_tiles_path(&tile, again);
        require(strcmp(path, again) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    check_bundle(data + 1, size - 1, data[0] == 0 ? ENT_TILES_WIDTH : data[0]);
    check_path(data, size);
    return 0;
}
