/* IN leaves, notes and blobs from a source · OUT a directory that stands alone · OWNS nothing
 * THREADS any, one export on one thread
 * SOURCE audit.md 4, docs/PROTOCOL.md 14; C2SP tlog-tiles
 *
 * Writes an export: what an auditor checks offline, without us. It is made beside its place under another name
 * (TO.XXXXXX), everything is fsynced, and then it gets its name: who sees TO sees all of it. What a crash leaves
 * behind is that other name, and may be removed. */
#ifndef ENT_COMMON_EXPORT_WRITE_H
#define ENT_COMMON_EXPORT_WRITE_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/crypto/sha256.h"
#include "common/schema/bytes.h"

/* One blob: its digest, and where its bytes are: a file (path != NULL), or memory. */
struct ent_export_blob {
    uint8_t digest[ENT_SHA256_BYTES];
    const char *path;
    struct ent_bytes bytes;
};

/* A stored note: as published, with all cosignature lines that came. */
struct ent_export_note {
    uint64_t size;
    struct ent_bytes note;
};

/* What is exported. What the functions hand out is good until the same function is called again; their errors are
 * passed up. */
struct ent_export_source {
    void *ctx;
    uint64_t size; /* leaves, at least 1: the size in `checkpoint` */
    /* Leaf `index`: asked for 0 ... size - 1, each once, in this order. */
    enum ent_err (*leaf)(void *ctx, uint64_t index, struct ent_bytes *out);
    size_t n_notes; /* stored notes of sizes 1 ... size, ascending, each size once */
    enum ent_err (*note)(void *ctx, size_t i, struct ent_export_note *out);
    size_t n_blobs; /* in any order; one that is listed twice is written once */
    enum ent_err (*blob)(void *ctx, size_t i, struct ent_export_blob *out);
    struct ent_bytes checkpoint; /* the newest note with a quorum (else the newest) */
    struct ent_bytes
        policy; /* tlog-policy text as the coordinator sees it; empty: none is written */
};

/* to: a directory that is not there yet. EXISTS; CORRUPT when the leaves do not give the root of `checkpoint`, or a
 * blob is not what its digest says; SHAPE when sizes do not fit together; NOT_FOUND, IO. Files are 0600, directories
 * 0700. Memory: one tile a level and one bundle of 256 leaves. */
ENT_MUST enum ent_err ent_export_write(const struct ent_export_source *source, const char *to);

/* What every export carries; generated from tests/second-reader/verify.py and common/export/readme.txt. */
extern const struct ent_bytes ent_export_verify_py;
extern const struct ent_bytes ent_export_readme;

#endif
