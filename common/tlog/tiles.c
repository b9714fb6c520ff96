#include "common/tlog/tiles.h"

#include <string.h>

#define LEVELS 8 /* of tiles: 2^63 leaves */
#define PREFIX "tile/"
#define ENTRIES "tile/entries/"

/* The index in groups of three digits, all but the last behind an 'x'. */
static size_t add_index(char *out, size_t room, uint64_t index)
{
    uint64_t scale = 1;
    size_t n = 0;

    while (index / scale >= 1000) {
        scale *= 1000;
    }
    for (; scale > 0; scale /= 1000) {
        n += (size_t)snprintf(out + n, room - n, scale > 1 ? "x%03u/" : "%03u",
                              (unsigned)(index / scale % 1000));
    }
    return n;
}

void ent_tiles_path(const struct ent_tile *tile, char out[ENT_TILES_PATH_MAX])
{
    size_t n = tile->entries ? (size_t)snprintf(out, ENT_TILES_PATH_MAX, ENTRIES)
                             : (size_t)snprintf(out, ENT_TILES_PATH_MAX, PREFIX "%u/", tile->level);

    ENT_BUG_ON(tile->level >= LEVELS || tile->width == 0 || tile->width > ENT_TILES_WIDTH ||
               tile->index > ENT_MERKLE_SIZE_MAX / ENT_TILES_WIDTH);
    n += add_index(out + n, ENT_TILES_PATH_MAX - n, tile->index);
    if (tile->width < ENT_TILES_WIDTH) {
        (void)snprintf(out + n, ENT_TILES_PATH_MAX - n, ".p/%u", tile->width);
    }
}

static bool digits(const char **at, unsigned n_digits, uint64_t *value)
{
    for (unsigned i = 0; i < n_digits; i++) {
        char c = (*at)[i];

        if (c < '0' || c > '9') {
            return false;
        }
        *value = *value * 10 + (uint64_t)(c - '0');
    }
    *at += n_digits;
    return true;
}

static bool parse_index(const char **at, uint64_t *index)
{
    for (unsigned group = 0; group < 6; group++) {
        bool more = **at == 'x';

        *at += more;
        if (!digits(at, 3, index)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (**at != '/') {
            return false;
        }
        (*at)++;
    }
    return false;
}

static bool parse_level(const char **at, struct ent_tile *tile)
{
    tile->entries = strncmp(*at, ENTRIES, strlen(ENTRIES)) == 0;
    if (tile->entries) {
        *at += strlen(ENTRIES);
        return true;
    }
    if (strncmp(*at, PREFIX, strlen(PREFIX)) != 0) {
        return false;
    }
    *at += strlen(PREFIX);
    if (**at < '0' || **at >= '0' + LEVELS || (*at)[1] != '/') {
        return false;
    }
    tile->level = (unsigned)(**at - '0');
    *at += 2;
    return true;
}

static bool parse_width(const char *at, struct ent_tile *tile)
{
    uint64_t width = 0;
    size_t n;

    tile->width = ENT_TILES_WIDTH;
    if (*at == '\0') {
        return true;
    }
    if (strncmp(at, ".p/", 3) != 0) {
        return false;
    }
    at += 3;
    n = strlen(at);
    if (n < 1 || n > 3 || !digits(&at, (unsigned)n, &width) || width == 0 ||
        width >= ENT_TILES_WIDTH) {
        return false;
    }
    tile->width = (unsigned)width;
    return true;
}

/* Read generously, then spelled again: one path for one tile. */
enum ent_err ent_tiles_parse_path(const char *path, struct ent_tile *out)
{
    struct ent_tile tile = {.level = 0};
    const char *at = path;
    char again[ENT_TILES_PATH_MAX];

    ENT_REQUIRE(strlen(path) < ENT_TILES_PATH_MAX && parse_level(&at, &tile) &&
                    parse_index(&at, &tile.index) && parse_width(at, &tile) &&
                    tile.index <= ENT_MERKLE_SIZE_MAX / ENT_TILES_WIDTH,
                ENT_E_DATA, "not the path of a tile");
    ent_tiles_path(&tile, again);
    ENT_REQUIRE(strcmp(path, again) == 0, ENT_E_DATA, "not the one spelling of a tile's path");
    *out = tile;
    return ENT_E_OK;
}

struct ent_tiles_iter ent_tiles_of(uint64_t size)
{
    return (struct ent_tiles_iter){.size = size};
}

bool ent_tiles_next(struct ent_tiles_iter *iter, struct ent_tile *out)
{
    for (;;) {
        uint64_t hashes = iter->size >> 8 * iter->level;
        uint64_t done = iter->index * ENT_TILES_WIDTH;

        if (done < hashes) {
            *out = (struct ent_tile){.entries = iter->entries,
                                     .level = iter->level,
                                     .index = iter->index,
                                     .width = hashes - done < ENT_TILES_WIDTH
                                                  ? (unsigned)(hashes - done)
                                                  : ENT_TILES_WIDTH};
            iter->index++;
            return true;
        }
        if (iter->entries) {
            return false;
        }
        iter->index = 0;
        iter->level++;
        if (iter->level == LEVELS || iter->size >> 8 * iter->level == 0) {
            iter->level = 0;
            iter->entries = true;
        }
    }
}

enum ent_err ent_tiles_hashes(const struct ent_tile *tile, ent_merkle_node_fn node, void *ctx,
                              uint8_t out[ENT_TILES_HASHES_BYTES])
{
    ENT_BUG_ON(tile->entries || tile->level >= LEVELS || tile->width > ENT_TILES_WIDTH);
    for (unsigned i = 0; i < tile->width; i++) {
        ENT_TRY(node(ctx, 8 * tile->level, tile->index * ENT_TILES_WIDTH + i,
                     out + (size_t)i * ENT_MERKLE_BYTES));
    }
    return ENT_E_OK;
}

enum ent_err ent_tiles_bundle_add(struct ent_buf *bundle, const void *leaf, size_t len)
{
    uint8_t *to = NULL;

    ENT_REQUIRE(len <= ENT_TILES_LEAF_MAX_BYTES, ENT_E_LIMIT, "a leaf of %zu bytes, at most %u",
                len, ENT_TILES_LEAF_MAX_BYTES);
    ENT_TRY(ent_buf_extend(bundle, 2 + len, &to));
    ent_put_be16(to, (uint16_t)len);
    if (len > 0) {
        memcpy(to + 2, leaf, len);
    }
    return ENT_E_OK;
}

enum ent_err ent_tiles_bundle_open(const uint8_t *bytes, size_t len, unsigned width,
                                   struct ent_tiles_bundle *out)
{
    size_t at = 0;

    ENT_REQUIRE(width >= 1 && width <= ENT_TILES_WIDTH, ENT_E_DATA, "a bundle of %u leaves", width);
    for (unsigned i = 0; i < width; i++) {
        size_t leaf;

        ENT_REQUIRE(len - at >= 2, ENT_E_DATA, "a bundle ends before leaf %u of %u", i, width);
        leaf = ent_get_be16(bytes + at);
        at += 2;
        ENT_REQUIRE(leaf <= len - at, ENT_E_DATA, "a bundle ends within leaf %u of %u", i, width);
        at += leaf;
    }
    ENT_REQUIRE(at == len, ENT_E_DATA, "%zu bytes behind the last leaf of a bundle", len - at);
    *out = (struct ent_tiles_bundle){bytes, width};
    return ENT_E_OK;
}

bool ent_tiles_bundle_next(struct ent_tiles_bundle *bundle, struct ent_bytes *leaf)
{
    if (bundle->left == 0) {
        return false;
    }
    leaf->len = ent_get_be16(bundle->at);
    leaf->data = bundle->at + 2;
    bundle->at += 2 + leaf->len;
    bundle->left--;
    return true;
}
