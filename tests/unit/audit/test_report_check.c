#include "test_report_check.h"

#include <string.h>

#include "tests/support/ent_test.h"

#define DEPTH 32

struct reader {
    const char *at;
    struct ent_buf *skeleton;
    char open[DEPTH][16];
    size_t depth;
};

static void note(struct reader *r, const char *text, size_t len)
{
    if (r->skeleton != NULL) {
        ENT_OK(ent_buf_add(r->skeleton, text, len));
        ENT_OK(ent_buf_add(r->skeleton, " ", 1));
    }
}

static size_t word_len(const char *at)
{
    return strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789");
}

static bool entity_at(const char *at)
{
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};

    for (size_t i = 0; i < sizeof entities / sizeof entities[0]; i++) {
        if (strncmp(at, entities[i], strlen(entities[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* ` name="value"` ... up to `>` or ` />`. */
static const char *attributes(struct reader *r)
{
    while (*r->at == ' ' && r->at[1] != '/') {
        size_t len = word_len(++r->at);

        if (len == 0 || strncmp(r->at + len, "=\"", 2) != 0) {
            return "an attribute without a quoted value";
        }
        note(r, r->at, len);
        for (r->at += len + 2; *r->at != '"'; r->at++) {
            if (*r->at == '\0' || *r->at == '<' || *r->at == '>') {
                return "< or > inside an attribute";
            }
            if (*r->at == '&' && !entity_at(r->at)) {
                return "a stray & inside an attribute";
            }
        }
        r->at++;
    }
    return NULL;
}

static const char *closing(struct reader *r)
{
    size_t len = word_len(r->at += 2);

    if (r->depth == 0 || strlen(r->open[r->depth - 1]) != len ||
        strncmp(r->open[r->depth - 1], r->at, len) != 0 || r->at[len] != '>') {
        return "a closing tag that closes something else";
    }
    r->depth--;
    r->at += len + 1;
    return NULL;
}

static const char *opening(struct reader *r)
{
    size_t len = word_len(++r->at);
    const char *name = r->at;
    const char *wrong;

    if (len == 0 || len >= sizeof r->open[0] || r->depth >= DEPTH) {
        return "a < that opens no tag";
    }
    note(r, name, len);
    r->at += len;
    wrong = attributes(r);
    if (wrong != NULL) {
        return wrong;
    }
    if (strncmp(r->at, " />", 3) == 0) {
        r->at += 3;
        return NULL;
    }
    if (*r->at != '>') {
        return "a tag without an end";
    }
    r->at++;
    (void)snprintf(r->open[r->depth++], sizeof r->open[0], "%.*s", (int)len, name);
    if (len == 5 && strncmp(name, "style", len) == 0) {
        r->at += strcspn(r->at, "<"); /* CSS is no text */
    }
    return NULL;
}

static const char *step(struct reader *r)
{
    switch (*r->at) {
    case '<':
        return r->at[1] == '/' ? closing(r) : opening(r);
    case '>':
    case '"':
    case '\'':
        return "a character that must be escaped";
    case '&':
        if (!entity_at(r->at)) {
            return "a stray & in a text";
        }
        break;
    default:
        break;
    }
    r->at++;
    return NULL;
}

const char *page_check(const char *page, struct ent_buf *skeleton)
{
    static const char doctype[] = "<!DOCTYPE html>\n";
    struct reader r = {.at = page, .skeleton = skeleton};

    if (strncmp(page, doctype, strlen(doctype)) != 0) {
        return "no DOCTYPE";
    }
    r.at += strlen(doctype);
    while (*r.at != '\0') {
        const char *wrong = step(&r);

        if (wrong != NULL) {
            (void)fprintf(stderr, "%s: %.60s\n", wrong, r.at);
            return wrong;
        }
    }
    return r.depth == 0 ? NULL : "a tag that stays open";
}
