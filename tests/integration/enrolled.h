/* IN nothing · OUT directories of a federation whose members are enrolled, with data · OWNS a directory in memory-backed
 * storage where there is one, removed when the program ends · THREADS one · SOURCE protocol.md 3
 *
 * Enrolment is real (engine and client, over link_mem) but done once a program: every federation of a test is a copy. */
#ifndef ENT_TESTS_INTEGRATION_ENROLLED_H
#define ENT_TESTS_INTEGRATION_ENROLLED_H

#include <stdint.h>

#include "certs/certs.h"

#define ENROLLED_MEMBERS 5
#define ENROLLED_PATH_MAX 256
#define ENROLLED_WALL_MS UINT64_C(1764000000000)
#define ENROLLED_ROWS(member_) (40u + 12u * (member_)) /* data rows of a member */

struct enrolled {
    char dir[ENROLLED_PATH_MAX]; /* fed, m0 .. m4 */
    uint8_t federation[ENT_FEDERATION_BYTES];
    uint8_t handles[ENROLLED_MEMBERS][ENT_HANDLE_BYTES];
};

/* "brand-a" for 0. Static. */
const char *enrolled_name(uint32_t member);
/* A federation of so many members (at least 2), all of whom agreed to the witness set. Made at the first call. */
const struct enrolled *enrolled_template(uint32_t n_members);
/* A copy of `from`'s content in a new directory; out gets its path. */
void enrolled_copy(const char *from, char out[ENROLLED_PATH_MAX]);
/* The same under a name that is free. */
void enrolled_copy_to(const char *from, const char *to);
/* A variable of the environment, or NULL. */
const char *enrolled_env(const char *name);
void enrolled_remove(const char *dir);
/* Names are cut short only by a bug: aborts then. */
void enrolled_path(char out[ENROLLED_PATH_MAX], const char *dir, const char *name);
/* client.yaml of a member's directory, anew: `policy` is the text between the braces; brands are small here, so the floor
 * of customers is 1 unless it says another. */
void enrolled_config(const char *member_dir, const char *policy);

#endif
