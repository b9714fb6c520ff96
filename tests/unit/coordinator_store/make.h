/* Things for a store to keep. */
#ifndef ENT_TESTS_COORDINATOR_STORE_MAKE_H
#define ENT_TESTS_COORDINATOR_STORE_MAKE_H

#include "coordinator/store/store.h"

enum { NOW = 1000000 };

/* A fresh federation in a temporary directory, opened. *dir may be NULL. */
struct ent_store *make_store(const char **dir);
void make_handle(uint8_t handle[ENT_STORE_ID_BYTES], uint8_t tag);
void make_keys(struct ent_store_keys *keys, uint8_t tag);
void make_cert(struct ent_store_cert *cert, uint8_t tag);
void make_invitation(struct ent_store_invitation *invitation, const char *name, uint8_t tag);
/* Invites and enrols; the index. */
uint32_t make_member(struct ent_store *store, const char *name, uint8_t tag);
/* Adds a run with a plan of its own. */
uint32_t make_run(struct ent_store *store);

/* From the crash test: the hooks of the test link. */
extern unsigned long make_kill_at; /* the process is killed at this hook point, from 1; 0 = never */

#endif
