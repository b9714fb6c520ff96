/* The pieces that the sections of the page are made of. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "audit/report_internal.h"
#include "common/base/clock.h"

#define HEAD_MAX_BYTES 64 /* of one column */

void ent_report_section(struct ent_report *r, const char *id, const char *title)
{
    const struct ent_html_attribute attributes[] = {{"id", id}, {NULL, NULL}};

    ent_html_open_with(r->h, "section", attributes);
    ent_html_line(r->h);
    ent_html_put(r->h, "h2", NULL, title);
    ent_html_line(r->h);
}

void ent_report_end(struct ent_report *r)
{
    ent_html_close(r->h);
    ent_html_line(r->h);
}

static void put_head(struct ent_report *r, const char *word, size_t len)
{
    bool number = len > 0 && word[0] == '#';
    const struct ent_html_attribute attributes[] = {
        {"scope", "col"}, {number ? "class" : NULL, "n"}, {NULL, NULL}};

    ent_html_open_with(r->h, "th", attributes);
    ent_html_textf(r->h, "%.*s", (int)(len - number), word + number);
    ent_html_close(r->h);
}

/* A box that scrolls must be reachable by keyboard, and so needs a name. */
void ent_report_table(struct ent_report *r, enum ent_report_kind kind, const char *label,
                      const char *heads)
{
    static const char *const css[] = {[ENT_REPORT_CARDS] = "t cards",
                                      [ENT_REPORT_WRAPS] = "t",
                                      [ENT_REPORT_SCROLLS] = "t scrolls"};
    const struct ent_html_attribute box[] = {{"class", css[kind]},
                                             {"role", "region"},
                                             {"aria-label", label},
                                             {"tabindex", "0"},
                                             {NULL, NULL}};

    r->heads = kind == ENT_REPORT_CARDS ? heads : NULL;
    ent_html_open_with(r->h, "div", box);
    ent_html_open(r->h, "table", NULL);
    ent_html_open(r->h, "thead", NULL);
    ent_html_open(r->h, "tr", NULL);
    for (const char *at = heads; *at != '\0';) {
        size_t len = strcspn(at, "|");

        put_head(r, at, len);
        at += len + (at[len] == '|');
    }
    ent_html_close(r->h);
    ent_html_close(r->h);
    ent_html_line(r->h);
    ent_html_open(r->h, "tbody", NULL);
    ent_html_line(r->h);
}

void ent_report_table_end(struct ent_report *r)
{
    ent_html_close(r->h);
    ent_html_close(r->h);
    ent_html_close(r->h);
    ent_html_line(r->h);
}

void ent_report_item(struct ent_report *r, const char *term, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args); // NOLINT(clang-analyzer-valist.Uninitialized)
    va_end(args);
    ent_html_open(r->h, "div", NULL);
    ent_html_put(r->h, "dt", NULL, term);
    ent_html_put(r->h, "dd", NULL, text);
    ent_html_close(r->h);
    ent_html_line(r->h);
}

void ent_report_code_item(struct ent_report *r, const char *term, const char *code)
{
    ent_html_open(r->h, "div", NULL);
    ent_html_put(r->h, "dt", NULL, term);
    ent_html_open(r->h, "dd", NULL);
    ent_html_put(r->h, "code", NULL, code);
    ent_html_close(r->h);
    ent_html_close(r->h);
    ent_html_line(r->h);
}

void ent_report_digest_item(struct ent_report *r, const char *term, const uint8_t digest[32])
{
    char hex[2 * 32 + 1];

    ent_hex(digest, 32, hex);
    ent_report_code_item(r, term, hex);
}

/* ---- cells ---- */

void ent_report_row(struct ent_report *r)
{
    r->next_head = r->heads;
    ent_html_open(r->h, "tr", NULL);
}

void ent_report_td(struct ent_report *r, const char *css)
{
    char label[HEAD_MAX_BYTES] = "";
    struct ent_html_attribute attributes[] = {{NULL, NULL}, {NULL, NULL}, {NULL, NULL}};
    size_t n = 0;

    if (r->next_head != NULL) {
        size_t len = strcspn(r->next_head, "|");
        bool number = r->next_head[0] == '#';

        (void)snprintf(label, sizeof label, "%.*s", (int)(len - number), r->next_head + number);
        r->next_head += len + (r->next_head[len] == '|');
        attributes[n++] = (struct ent_html_attribute){"data-l", label};
    }
    if (css != NULL) {
        attributes[n++] = (struct ent_html_attribute){"class", css};
    }
    ent_html_open_with(r->h, "td", attributes);
    /* In a card label and content stand side by side: the content must be one box. */
    ent_html_open(r->h, "div", NULL);
}

void ent_report_td_end(struct ent_report *r)
{
    ent_html_close(r->h);
    ent_html_close(r->h);
}

void ent_report_text(struct ent_report *r, const char *css, const char *text)
{
    ent_report_td(r, css);
    ent_html_text(r->h, text);
    ent_report_td_end(r);
}

void ent_report_textf(struct ent_report *r, const char *css, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args); // NOLINT(clang-analyzer-valist.Uninitialized)
    va_end(args);
    ent_report_text(r, css, text);
}

void ent_report_cell(struct ent_report *r, const char *text)
{
    ent_report_text(r, NULL, text);
}

void ent_report_number(struct ent_report *r, uint64_t n)
{
    char text[ENT_REPORT_NUMBER_BYTES];

    ent_report_text(r, "n", ent_report_count(n, text));
}

void ent_report_time(struct ent_report *r, uint64_t ms)
{
    char text[ENT_TIME_TEXT_BYTES];

    ent_time_text(ms, text);
    ent_report_text(r, "w", text);
}

void ent_report_hex(struct ent_report *r, const uint8_t *bytes, size_t len)
{
    char hex[2 * 32 + 1];

    ENT_BUG_ON(len > 32);
    ent_hex(bytes, len, hex);
    ent_report_td(r, NULL);
    ent_html_put(r->h, "code", NULL, hex);
    ent_report_td_end(r);
}

void ent_report_member(struct ent_report *r, const uint8_t handle[16])
{
    const char *name = ent_report_name_of(r->request->names, handle, 16);
    char hex[2 * 16 + 1];

    ent_hex(handle, 16, hex);
    ent_report_td(r, NULL);
    if (name != NULL) {
        ent_html_put(r->h, "strong", NULL, name);
        ent_html_text(r->h, " ");
    }
    ent_html_put(r->h, "code", NULL, hex);
    ent_report_td_end(r);
}

void ent_report_mark(struct ent_report *r, const char *css, const char *word)
{
    char class[32];

    (void)snprintf(class, sizeof class, "m %s", css);
    ent_html_put(r->h, "span", class, word);
}

void ent_report_more(struct ent_report *r, const char *what, uint64_t listed, uint64_t n,
                     uint64_t lost)
{
    char text[ENT_REPORT_NUMBER_BYTES];

    if (n > listed) {
        ent_html_putf(r->h, "p", "small",
                      "A further %s %s are not listed on this page: --json lists them.",
                      ent_report_count(n - listed, text), what);
        ent_html_line(r->h);
    }
    if (lost > 0) {
        ent_html_putf(r->h, "p", "small",
                      "Beyond these, %s %s were checked but are more than a report holds.",
                      ent_report_count(lost, text), what);
        ent_html_line(r->h);
    }
}
