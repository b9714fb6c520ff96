#include "audit/html.h"

#include <stdarg.h>
#include <string.h>

#include "common/schema/text.h"

#define TEXT_MAX_BYTES ((size_t)64 * 1024) /* of one formatted text */
#define REPLACEMENT "\xEF\xBF\xBD"         /* U+FFFD */

void ent_html_begin(struct ent_html *h, struct ent_buf *out)
{
    *h = (struct ent_html){.out = out, .err = ENT_E_OK};
}

enum ent_err ent_html_end(struct ent_html *h)
{
    ENT_BUG_ON(h->err == ENT_E_OK && h->depth != 0);
    return h->err;
}

static void add(struct ent_html *h, const char *bytes, size_t len)
{
    if (h->err == ENT_E_OK) {
        h->err = ent_buf_add(h->out, bytes, len);
    }
}

static void add_literal(struct ent_html *h, const char *literal)
{
    add(h, literal, strlen(literal));
}

/* ---- text ---- */

/* Bytes of a UTF-8 character by its first one; 1 for what begins none. */
static size_t character_bytes(unsigned char first)
{
    if (first >= 0xF0) {
        return 4;
    }
    if (first >= 0xE0) {
        return 3;
    }
    return first >= 0xC0 ? 2 : 1;
}

static const char *entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\n':
        return "\n";
    default:
        return NULL;
    }
}

void ent_html_text(struct ent_html *h, const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len && h->err == ENT_E_OK;) {
        size_t n = character_bytes((unsigned char)text[i]);
        const char *entity = entity_of(text[i]);

        if (entity != NULL) {
            add_literal(h, entity);
        } else if (n <= len - i && ent_text_is_printable(text + i, n)) {
            add(h, text + i, n);
        } else {
            add_literal(h, REPLACEMENT);
            n = 1;
        }
        i += n;
    }
}

static void text_v(struct ent_html *h, const char *fmt, va_list args) ENT_PRINTF(2, 0);
static void text_v(struct ent_html *h, const char *fmt, va_list args)
{
    char fixed[512];
    va_list again;
    int n;

    va_copy(again, args);
    n = vsnprintf(fixed, sizeof fixed, fmt, args); // NOLINT(clang-analyzer-valist.Uninitialized)
    if (n >= 0 && (size_t)n < sizeof fixed) {
        ent_html_text(h, fixed);
    } else if (n < 0 || (size_t)n > TEXT_MAX_BYTES) {
        h->err = h->err != ENT_E_OK ? h->err
                                    : ent_err_note(ENT_E_LIMIT, "a text of the report is too long");
    } else {
        struct ent_buf whole;
        uint8_t *room = NULL;

        ent_buf_init(&whole, TEXT_MAX_BYTES + 1);
        h->err = h->err != ENT_E_OK ? h->err : ent_buf_extend(&whole, (size_t)n + 1, &room);
        if (h->err == ENT_E_OK) {
            (void)vsnprintf((char *)room, (size_t)n + 1, fmt, again);
            ent_html_text(h, (const char *)room);
        }
        ent_buf_release(&whole);
    }
    va_end(again);
}

void ent_html_textf(struct ent_html *h, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    text_v(h, fmt, args);
    va_end(args);
}

/* ---- elements ---- */

static void begin_tag(struct ent_html *h, const char *element,
                      const struct ent_html_attribute *attributes)
{
    add_literal(h, "<");
    add_literal(h, element);
    for (; attributes != NULL && attributes->name != NULL; attributes++) {
        add_literal(h, " ");
        add_literal(h, attributes->name);
        add_literal(h, "=\"");
        ent_html_text(h, attributes->value);
        add_literal(h, "\"");
    }
}

void ent_html_open_with(struct ent_html *h, const char *element,
                        const struct ent_html_attribute *attributes)
{
    ENT_BUG_ON(h->depth >= ENT_HTML_DEPTH);
    begin_tag(h, element, attributes);
    add_literal(h, ">");
    h->open[h->depth++] = element;
}

void ent_html_open(struct ent_html *h, const char *element, const char *css)
{
    const struct ent_html_attribute attributes[] = {{"class", css}, {NULL, NULL}};

    ent_html_open_with(h, element, css != NULL ? attributes : NULL);
}

void ent_html_close(struct ent_html *h)
{
    ENT_BUG_ON(h->depth == 0);
    h->depth--;
    add_literal(h, "</");
    add_literal(h, h->open[h->depth]);
    add_literal(h, ">");
}

void ent_html_void(struct ent_html *h, const char *element,
                   const struct ent_html_attribute *attributes)
{
    begin_tag(h, element, attributes);
    add_literal(h, " />");
}

void ent_html_put(struct ent_html *h, const char *element, const char *css, const char *text)
{
    ent_html_open(h, element, css);
    ent_html_text(h, text);
    ent_html_close(h);
}

void ent_html_putf(struct ent_html *h, const char *element, const char *css, const char *fmt, ...)
{
    va_list args;

    ent_html_open(h, element, css);
    va_start(args, fmt);
    text_v(h, fmt, args);
    va_end(args);
    ent_html_close(h);
}

void ent_html_raw(struct ent_html *h, const char *literal)
{
    add_literal(h, literal);
}

void ent_html_line(struct ent_html *h)
{
    add_literal(h, "\n");
}
