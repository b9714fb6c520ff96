/* Secrets: kept out of swap, core dumps and freed memory; compared in constant time. */
#ifndef ENT_COMMON_CRYPTO_SECRET_H
#define ENT_COMMON_CRYPTO_SECRET_H

#include <stdint.h>

#include "common/base/err.h"

/* All zero is a legal, empty state. */
struct ent_secret {
    uint8_t *bytes;
    size_t len;
    bool mapped; /* own locked pages (the secure heap is full or was not set up) */
};

/* Once, first thing in main: secure heap, RLIMIT_CORE 0. Without the right to lock
 * memory the heap is used all the same (a warning is not worth a refusal). */
ENT_MUST enum ent_err ent_secret_init_process(void);

/* len zeroed bytes. NO_MEMORY. */
ENT_MUST enum ent_err ent_secret_init(struct ent_secret *secret, size_t len);
/* Cleanses and frees; the secret is empty after it. */
void ent_secret_release(struct ent_secret *secret);
/* A file that must be readable by its owner only, who runs this program (or root). PERMISSION otherwise; NOT_FOUND, IO, LIMIT beyond
 * max_bytes. */
ENT_MUST enum ent_err ent_secret_read_file(struct ent_secret *secret, const char *path,
                                           size_t max_bytes);
/* A new file of mode 0600. EXISTS when it is there. */
ENT_MUST enum ent_err ent_secret_write_file(const char *path, const void *bytes, size_t len);

/* Overwrites; never optimised away. */
void ent_cleanse(void *bytes, size_t len);
/* Takes the same time whatever the bytes are. */
ENT_MUST bool ent_ct_equal(const void *a, const void *b, size_t len);

#endif
