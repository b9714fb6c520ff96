/* IN rows of a source · OUT rows of a table · OWNS source, bindings, hash · THREADS one at a time · SOURCE -
 *
 * Inside this room and client/events only: the one loop behind table.c (everything, or block by
 * block) and the events of sequences. */
#ifndef ENT_CLIENT_DATA_LOAD_H
#define ENT_CLIENT_DATA_LOAD_H

#include "client/data/bind.h"
#include "client/data/source.h"
#include "client/data/table.h"
#include "common/crypto/sha256.h"

#define ENT_LOADER_MAX_ID_BYTES ((size_t)1 << 30) /* of all rows of a table */

/* Rows of a table by what they hold. */
struct ent_rowset {
    uint32_t *slots; /* row + 1; 0 = free; open addressing */
    size_t n_slots;  /* power of two */
    size_t n;
};
void ent_rowset_release(struct ent_rowset *set);
/* Adds row `row` of the table; *found: an equal one (unit, features, label) was there already. */
ENT_MUST enum ent_err ent_rowset_add(struct ent_rowset *set, const struct ent_table *table,
                                     uint32_t row, bool *found);

struct ent_loader {
    struct ent_table_options options;
    struct ent_source *source;
    struct ent_bindings *bindings;
    struct ent_sha256 hash;
    struct ent_rowset rows; /* drop_duplicates */
    uint32_t max_rows;
};

/* source_take: where rows come from; NULL: opened as the options say. It is closed with the loader, also on error. */
ENT_MUST enum ent_err ent_loader_init_from(struct ent_loader *loader,
                                           const struct ent_table_options *options,
                                           struct ent_source *source_take);
ENT_MUST enum ent_err ent_loader_init(struct ent_loader *loader,
                                      const struct ent_table_options *options);
void ent_loader_release(struct ent_loader *loader);
/* A table without rows for this loader. */
ENT_MUST enum ent_err ent_loader_table(const struct ent_loader *loader, struct ent_table **out);
/* Read until the table has `until` rows; *at_end when the source is exhausted before. */
ENT_MUST enum ent_err ent_loader_fill(struct ent_loader *loader, struct ent_table *table,
                                      uint32_t until, bool *at_end);
/* What to do about the problems that were kept, where there is more to say than "correct them"; or "". */
void ent_loader_advice(const struct ent_table *table, char *out, size_t size);
/* DATA that names the rows kept in table->problems, when there were bad ones and the policy is to fail. */
ENT_MUST enum ent_err ent_loader_check(const struct ent_loader *loader,
                                       const struct ent_table *table);

#endif
