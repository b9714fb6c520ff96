/* Names that were disclosed: each must open the commitment that the log holds. */
#include <stdlib.h>
#include <string.h>

#include "audit/report.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/commit.h"
#include "common/schema/text.h"

struct line {
    const char *path;
    size_t number;
    char *at; /* what is left of it, ends with a zero byte */
};

/* The next word, ended with a zero byte; "" behind the last. */
static char *take_word(struct line *line)
{
    char *word = line->at;
    size_t len = strcspn(word, " \t");

    line->at += len;
    if (*line->at != '\0') {
        *line->at++ = '\0';
        line->at += strspn(line->at, " \t");
    }
    return word;
}

static const uint8_t *commit_of(const struct ent_audit_facts *facts,
                                const struct ent_report_name *name)
{
    const struct ent_audit_member *member =
        name->who_len == 16 ? ent_audit_member_of(facts, name->who) : NULL;

    if (member != NULL) {
        return member->name_commit;
    }
    for (size_t i = 0; name->who_len == 32 && i < facts->n_auditors; i++) {
        if (memcmp(facts->auditors[i].leaf.seal_pub, name->who, 32) == 0) {
            return facts->auditors[i].leaf.name_commit;
        }
    }
    return NULL;
}

static enum ent_err read_line(struct line *line, struct ent_report_name *out,
                              uint8_t salt[ENT_SALT_BYTES])
{
    const char *who = take_word(line);
    const char *salt_hex = take_word(line);
    size_t len = strlen(line->at);

    out->who_len = strlen(who) / 2;
    ENT_REQUIRE((strlen(who) == 32 || strlen(who) == 64) &&
                    ent_unhex(who, out->who, out->who_len) == ENT_E_OK,
                ENT_E_CONFIG,
                "%s: line %zu: begins with the handle of a member (32 hex digits) or the key of an "
                "auditor (64)",
                line->path, line->number);
    ENT_REQUIRE(strlen(salt_hex) == (size_t)2 * ENT_SALT_BYTES &&
                    ent_unhex(salt_hex, salt, ENT_SALT_BYTES) == ENT_E_OK,
                ENT_E_CONFIG, "%s: line %zu: the second word is the salt, 64 hex digits",
                line->path, line->number);
    ENT_REQUIRE(
        len > 0 && len < sizeof out->name && ent_text_is_name(line->at, len), ENT_E_CONFIG,
        "%s: line %zu: behind the salt stands the name, letters, digits and . _ : / @ + -, at "
        "most %zu",
        line->path, line->number, sizeof out->name - 1);
    memcpy(out->name, line->at, len + 1);
    return ENT_E_OK;
}

static enum ent_err check_line(const struct ent_audit_facts *facts, const struct line *line,
                               const struct ent_report_names *names,
                               const struct ent_report_name *name,
                               const uint8_t salt[ENT_SALT_BYTES])
{
    const uint8_t *logged = commit_of(facts, name);
    uint8_t opened[32];
    char brief[ENT_AUDIT_SHORT_BYTES];

    ent_audit_short(name->who, name->who_len, brief);
    ENT_REQUIRE(logged != NULL, ENT_E_CONFIG, "%s: line %zu: nobody in this log is %s", line->path,
                line->number, brief);
    for (size_t i = 0; i < names->n; i++) {
        ENT_REQUIRE(names->names[i].who_len != name->who_len ||
                        memcmp(names->names[i].who, name->who, name->who_len) != 0,
                    ENT_E_CONFIG, "%s: line %zu: %s stands twice", line->path, line->number, brief);
    }
    ENT_TRY(ent_name_commit(salt, name->name, opened));
    ENT_REQUIRE(
        memcmp(opened, logged, sizeof opened) == 0, ENT_E_CONFIG,
        "%s: line %zu: salt and name of %s do not open the commitment in the log: one of them "
        "is wrong, and the report names nobody by it",
        line->path, line->number, brief);
    return ENT_E_OK;
}

static enum ent_err take_line(const struct ent_audit_facts *facts, struct line *line,
                              struct ent_report_names *names)
{
    struct ent_report_name name = {0};
    uint8_t salt[ENT_SALT_BYTES];

    line->at += strspn(line->at, " \t");
    if (*line->at == '\0' || *line->at == '#') {
        return ENT_E_OK;
    }
    ENT_TRY(read_line(line, &name, salt));
    ENT_TRY(check_line(facts, line, names, &name, salt));
    ENT_REQUIRE(names->n < ENT_REPORT_NAMES_MAX, ENT_E_CONFIG, "%s: more than %zu names",
                line->path, ENT_REPORT_NAMES_MAX);
    ENT_TRY(ent_grow(&names->names, &names->cap, names->n + 1, sizeof *names->names));
    names->names[names->n++] = name;
    return ENT_E_OK;
}

static enum ent_err take_lines(const struct ent_audit_facts *facts, const char *path,
                               struct ent_buf *text, struct ent_report_names *names)
{
    struct line line = {.path = path, .number = 1};
    const char *ended;
    char *next;

    ENT_REQUIRE(text->len == 0 || memchr(text->data, '\0', text->len) == NULL, ENT_E_CONFIG,
                "%s: a zero byte: this is no file of names", path);
    ENT_TRY(ent_buf_str(text, &ended));
    for (next = ended[0] != '\0' ? (char *)text->data : NULL; next != NULL; line.number++) {
        size_t len;

        line.at = next;
        len = strcspn(line.at, "\n");
        next = line.at[len] == '\n' ? line.at + len + 1 : NULL;
        line.at[len] = '\0';
        if (len > 0 && line.at[len - 1] == '\r') {
            line.at[len - 1] = '\0';
        }
        ENT_TRY(take_line(facts, &line, names));
    }
    return ENT_E_OK;
}

enum ent_err ent_report_names_read(const struct ent_audit_facts *facts, const char *path,
                                   struct ent_report_names *out)
{
    struct ent_report_names names = {0};
    struct ent_buf text;
    enum ent_err err;

    ent_buf_init(&text, ENT_REPORT_NAMES_MAX_BYTES);
    err = ent_file_read(path, &text);
    if (err == ENT_E_OK) {
        err = take_lines(facts, path, &text, &names);
    } else if (err != ENT_E_NO_MEMORY) {
        err = ENT_E_CONFIG; /* the message stays */
    }
    ent_buf_wipe(&text); /* salts: who has one can try names */
    if (err != ENT_E_OK) {
        ent_report_names_release(&names);
        return err;
    }
    *out = names;
    return ENT_E_OK;
}

void ent_report_names_release(struct ent_report_names *names)
{
    free(names->names);
    *names = (struct ent_report_names){0};
}
