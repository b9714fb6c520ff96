#include "common/base/identity.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "common/base/buf.h"

/* Defined by the object that cmake/commit.cmake makes for each program (and for the test of this
 * file), and by nothing else: a commit links the programs again, and compiles and links no room and
 * no other test. Without it: NULL. */
extern const char ent_build_commit[] __attribute__((weak));

#ifndef ENT_BUILD_FLAGS
#define ENT_BUILD_FLAGS "unknown"
#endif

#define TEXT_OF(x_) #x_
#define TEXT(x_) TEXT_OF(x_)
#if defined(__clang__)
#define COMPILER                                                                                   \
    "clang " TEXT(__clang_major__) "." TEXT(__clang_minor__) "." TEXT(__clang_patchlevel__)
#else
#define COMPILER "gcc " __VERSION__
#endif

#if UINTPTR_MAX == UINT64_MAX
typedef Elf64_Phdr program_header;
typedef Elf64_Nhdr note_header; /* the same bytes in both classes */
#else
typedef Elf32_Phdr program_header;
typedef Elf32_Nhdr note_header;
#endif

static bool in_a_leaf(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(" ._:/@+-", c) != NULL);
}

void ent_identity_text(const char *text, char out[ENT_IDENTITY_TEXT_MAX + 1])
{
    size_t n = 0;

    while (n < ENT_IDENTITY_TEXT_MAX && text[n] != '\0') {
        out[n] = text[n];
        if (!in_a_leaf(text[n])) {
            out[n] = '-';
        }
        n++;
    }
    out[n] = '\0';
}

/* Lengths of a note's parts are 32 bits, so the sums below do not wrap in 64. */
static uint64_t aligned(uint64_t len)
{
    return (len + 3) & ~UINT64_C(3);
}

size_t ent_identity_of_notes(const uint8_t *notes, size_t len, uint8_t out[ENT_BUILD_ID_MAX_BYTES])
{
    static const char owner[] = "GNU";
    size_t at = 0;

    while (len - at >= sizeof(note_header)) {
        note_header note;
        uint64_t name_at = sizeof note;
        uint64_t desc_at;

        memcpy(&note, notes + at, sizeof note);
        desc_at = name_at + aligned(note.n_namesz);
        if (desc_at + note.n_descsz > len - at) {
            return 0;
        }
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof owner &&
            memcmp(notes + at + name_at, owner, sizeof owner) == 0 && note.n_descsz > 0 &&
            note.n_descsz <= ENT_BUILD_ID_MAX_BYTES) {
            memcpy(out, notes + at + desc_at, note.n_descsz);
            return note.n_descsz;
        }
        if (desc_at + aligned(note.n_descsz) > len - at) {
            return 0;
        }
        at += (size_t)(desc_at + aligned(note.n_descsz));
    }
    return 0;
}

/* The kernel says where the running program's own headers are (AT_PHDR). What is loaded stands at one
 * distance from the addresses in them: that of the headers from what their own entry says. Without
 * that entry (a static program) the distance is known only if it is none. */
static bool loaded_at(const program_header *headers, size_t n, uintptr_t at, uintptr_t *moved)
{
    bool unmoved = false;

    for (size_t i = 0; i < n; i++) {
        if (headers[i].p_type == PT_PHDR) {
            *moved = at - (uintptr_t)headers[i].p_vaddr;
            return true;
        }
        if (headers[i].p_type == PT_LOAD && at >= headers[i].p_vaddr &&
            at - headers[i].p_vaddr < headers[i].p_filesz) {
            unmoved = true;
        }
    }
    *moved = 0;
    return unmoved;
}

static size_t running_build_id(uint8_t out[ENT_BUILD_ID_MAX_BYTES])
{
    const uintptr_t at = (uintptr_t)getauxval(AT_PHDR);
    const size_t n = (size_t)getauxval(AT_PHNUM);
    const program_header *headers = (const program_header *)at;
    uintptr_t moved = 0;
    size_t len = 0;

    if (headers == NULL || getauxval(AT_PHENT) != sizeof *headers ||
        !loaded_at(headers, n, at, &moved)) {
        return 0;
    }
    for (size_t i = 0; i < n && len == 0; i++) {
        if (headers[i].p_type == PT_NOTE && headers[i].p_align <= 4) {
            len = ent_identity_of_notes((const uint8_t *)(moved + (uintptr_t)headers[i].p_vaddr),
                                        (size_t)headers[i].p_memsz, out);
        }
    }
    return len;
}

void ent_identity(struct ent_identity *out)
{
    uint8_t id[ENT_BUILD_ID_MAX_BYTES];
    size_t id_len = running_build_id(id);

    ent_identity_text(ENT_VERSION, out->version);
    ent_identity_text(ent_build_commit != NULL ? ent_build_commit : "unknown", out->commit);
    ent_identity_text(COMPILER, out->compiler);
    ent_identity_text(ENT_BUILD_FLAGS, out->flags);
    if (id_len > 0) {
        ent_hex(id, id_len, out->build_id);
    } else {
        ent_identity_text("unknown", out->build_id);
    }
}
