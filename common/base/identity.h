/* IN the running program · OUT what it was built from · OWNS nothing · THREADS any · SOURCE
 * audit.md 2.3 (0304 software.start)
 *
 * The identity of this build, for the log and for people. Every text is made of
 * [A-Za-z0-9 ._:/@+-] (what else stood there is '-') and has at most ENT_IDENTITY_TEXT_MAX bytes: it
 * can stand in a leaf as it is. The digest of the program's own file is the caller's
 * (ent_sha256_file of ENT_IDENTITY_OWN_FILE). */
#ifndef ENT_COMMON_BASE_IDENTITY_H
#define ENT_COMMON_BASE_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#define ENT_IDENTITY_TEXT_MAX 128
#define ENT_IDENTITY_OWN_FILE "/proc/self/exe" /* also when the file was replaced meanwhile */
#define ENT_BUILD_ID_MAX_BYTES 32

struct ent_identity {
    char version[ENT_IDENTITY_TEXT_MAX + 1];  /* "0.1.0" */
    char commit[ENT_IDENTITY_TEXT_MAX + 1];   /* git commit, "-dirty" behind it; or "unknown" */
    char compiler[ENT_IDENTITY_TEXT_MAX + 1]; /* "gcc 12.2.0" */
    char flags[ENT_IDENTITY_TEXT_MAX + 1];    /* those that could change a result first; cut */
    char build_id[ENT_IDENTITY_TEXT_MAX + 1]; /* hex of the linker's build-id; or "unknown" */
};

void ent_identity(struct ent_identity *out);

/* The GNU build-id of ELF notes ([len], as a PT_NOTE segment holds them, aligned to 4): its length
 * in bytes, 0 when there is none of 1 to ENT_BUILD_ID_MAX_BYTES bytes. */
size_t ent_identity_of_notes(const uint8_t *notes, size_t len, uint8_t out[ENT_BUILD_ID_MAX_BYTES]);

/* text as a leaf may hold it: other characters replaced, cut to the maximum. */
void ent_identity_text(const char *text, char out[ENT_IDENTITY_TEXT_MAX + 1]);

#endif
