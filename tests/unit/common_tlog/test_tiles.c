/* Paths, which tiles there are, bundles. */
#include <string.h>

#include "common/tlog/tiles.h"
#include "tests/support/ent_test.h"

ENT_TEST(tiles, paths)
{
    static const struct {
        struct ent_tile tile;
        const char *path;
    } good[] = {
        {{false, 0, 0, 256}, "tile/0/000"},
        {{false, 1, 999, 256}, "tile/1/999"},
        {{false, 2, 1000, 255}, "tile/2/x001/000.p/255"},
        {{false, 7, 1234067, 256}, "tile/7/x001/x234/067"},
        {{true, 0, 1234067, 1}, "tile/entries/x001/x234/067.p/1"},
        {{false, 0, ENT_MERKLE_SIZE_MAX / 256, 255}, "tile/0/x036/x028/x797/x018/x963/967.p/255"},
    };
    static const char *const bad[] = {
        "",
        "tile",
        "tile/0/",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/8/000",
        "tile/-1/000",
        "tile/0/x000/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p/1/",
        "tile/0/000/001",
        "tile/0/x001",
        "tile/0/x001/",
        "tile/0/0x1",
        "tile/entries",
        "tile/entries/",
        "tile/entry/000",
        "/tile/0/000",
        "tile/0/../000",
        "tile/0/x999/x999/x999/x999/x999/999",
        "tile/0/x001/x001/x001/x001/x001/x001/001",
        "tile/0/x001/x001/x001/x001/x001/x001/x001/x001/x001/x001/x001/x001/001",
    };
    struct ent_tile tile;
    char path[ENT_TILES_PATH_MAX];

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ent_tiles_path(&good[i].tile, path);
        CU_ASSERT_STRING_EQUAL(path, good[i].path);
        ENT_OK(ent_tiles_parse_path(path, &tile));
        CU_ASSERT(tile.entries == good[i].tile.entries && tile.level == good[i].tile.level &&
                  tile.index == good[i].tile.index && tile.width == good[i].tile.width);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ENT_FAILS(ent_tiles_parse_path(bad[i], &tile), ENT_E_DATA);
    }
}

/* tlog-tiles' own example: 70,000 leaves. */
ENT_TEST(tiles, which_there_are)
{
    struct ent_tiles_iter iter = ent_tiles_of(70000);
    size_t full[3] = {0};
    unsigned partial[3] = {0};
    size_t bundles = 0;
    struct ent_tile tile;

    while (ent_tiles_next(&iter, &tile)) {
        CU_ASSERT_FATAL(tile.level < 3);
        if (tile.entries) {
            bundles++;
        } else if (tile.width == ENT_TILES_WIDTH) {
            full[tile.level]++;
        } else {
            partial[tile.level] = tile.width;
        }
    }
    CU_ASSERT(full[0] == 273 && full[1] == 1 && full[2] == 0);
    CU_ASSERT(partial[0] == 112 && partial[1] == 17 && partial[2] == 1);
    CU_ASSERT_EQUAL(bundles, 274);
    CU_ASSERT(!ent_tiles_next(&iter, &tile));
}

/* At every size: level l holds size / 256^l hashes in order, the bundles all leaves, nothing is empty. */
ENT_TEST(tiles, they_cover_the_tree)
{
    static const uint64_t sizes[] = {0, 1, 255, 256, 257, 511, 512, 65535, 65536, 65537, 200000};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct ent_tiles_iter iter = ent_tiles_of(sizes[i]);
        uint64_t covered[9] = {0};
        struct ent_tile tile;

        while (ent_tiles_next(&iter, &tile)) {
            unsigned row = tile.entries ? 8 : tile.level;

            CU_ASSERT(tile.width >= 1 && tile.width <= ENT_TILES_WIDTH);
            CU_ASSERT_EQUAL(tile.index * ENT_TILES_WIDTH, covered[row]);
            covered[row] += tile.width;
        }
        CU_ASSERT_EQUAL(covered[8], sizes[i]);
        for (unsigned l = 0; l < 8; l++) {
            CU_ASSERT_EQUAL(covered[l], sizes[i] >> 8 * l);
        }
    }
}

ENT_TEST(tiles, the_largest_tree_ends)
{
    struct ent_tiles_iter iter = {.size = ENT_MERKLE_SIZE_MAX, .level = 7};
    struct ent_tile tile;

    CU_ASSERT_FATAL(ent_tiles_next(&iter, &tile));
    CU_ASSERT(tile.level == 7 && tile.width == 127 && tile.index == 0);
    CU_ASSERT_FATAL(ent_tiles_next(&iter, &tile));
    CU_ASSERT(tile.entries && tile.index == 0);
}

ENT_TEST(tiles, bundles)
{
    static uint8_t large[ENT_TILES_LEAF_MAX_BYTES + 1];
    struct ent_tiles_bundle bundle;
    struct ent_bytes leaf;
    struct ent_buf buf;

    ent_buf_init(&buf, ENT_TILES_BUNDLE_MAX_BYTES);
    ENT_OK(ent_tiles_bundle_add(&buf, "abc", 3));
    ENT_OK(ent_tiles_bundle_add(&buf, NULL, 0));
    ENT_OK(ent_tiles_bundle_add(&buf, large, ENT_TILES_LEAF_MAX_BYTES));
    ENT_FAILS(ent_tiles_bundle_add(&buf, large, sizeof large), ENT_E_LIMIT);
    ENT_OK(ent_tiles_bundle_open(buf.data, buf.len, 3, &bundle));
    CU_ASSERT(ent_tiles_bundle_next(&bundle, &leaf) && leaf.len == 3 &&
              memcmp(leaf.data, "abc", 3) == 0);
    CU_ASSERT(ent_tiles_bundle_next(&bundle, &leaf) && leaf.len == 0);
    CU_ASSERT(ent_tiles_bundle_next(&bundle, &leaf) && leaf.len == ENT_TILES_LEAF_MAX_BYTES);
    CU_ASSERT(!ent_tiles_bundle_next(&bundle, &leaf));
    ENT_FAILS(ent_tiles_bundle_open(buf.data, buf.len, 2, &bundle), ENT_E_DATA);
    ENT_FAILS(ent_tiles_bundle_open(buf.data, buf.len, 4, &bundle), ENT_E_DATA);
    ENT_FAILS(ent_tiles_bundle_open(buf.data, buf.len, 0, &bundle), ENT_E_DATA);
    ENT_FAILS(ent_tiles_bundle_open(buf.data, buf.len, 257, &bundle), ENT_E_DATA);
    ENT_FAILS(ent_tiles_bundle_open(NULL, 0, 1, &bundle), ENT_E_DATA);
    for (size_t len = 0; len < 16; len++) {
        ENT_FAILS(ent_tiles_bundle_open(buf.data, len, 3, &bundle), ENT_E_DATA);
    }
    ENT_FAILS(ent_tiles_bundle_open(buf.data, buf.len - 1, 3, &bundle), ENT_E_DATA);
    ent_buf_release(&buf);
}
