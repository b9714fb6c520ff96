#include "test_report_check.h"

#include <ctype.h>
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

/* Own loops: under the address sanitizer the functions of string.h read to the end of the page at each call. */
static size_t word_len(const char *at)
{
    size_t n = 0;

    while (isalnum((unsigned char)at[n]) || at[n] == '-') {
        n++;
    }
    return n;
}

static bool begins(const char *at, const char *with)
{
    for (; *with != '\0'; at++, with++) {
        if (*at != *with) {
            return false;
        }
    }
    return true;
}

static bool entity_at(const char *at)
{
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};

    for (size_t i = 0; i < sizeof entities / sizeof entities[0]; i++) {
        if (begins(at, entities[i])) {
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

        if (len == 0 || !begins(r->at + len, "=\"")) {
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
        !begins(r->at, r->open[r->depth - 1]) || r->at[len] != '>') {
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
    if (begins(r->at, " />")) {
        r->at += 3;
        return NULL;
    }
    if (*r->at != '>') {
        return "a tag without an end";
    }
    r->at++;
    memcpy(r->open[r->depth], name, len);
    r->open[r->depth++][len] = '\0';
    if (len == 5 && begins(name, "style")) {
        while (*r->at != '<' && *r->at != '\0') { /* CSS is no text */
            r->at++;
        }
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

    if (!begins(page, doctype)) {
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
