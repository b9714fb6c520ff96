/* IN elements, and texts that nobody vouches for · OUT an HTML page in a buffer · OWNS nothing
 * THREADS one at a time · SOURCE HTML Living Standard 13.1 (writing), OWASP rules 1 and 2
 *
 * A writer of well-formed HTML: what it opens is closed in order, and every text and every value of an
 * attribute goes through one escape. Names of elements, attributes and classes are literals of ours. The
 * page is XML-like (void elements end in "/>"), so that a small checker can read it. */
#ifndef ENT_AUDIT_HTML_H
#define ENT_AUDIT_HTML_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define ENT_HTML_DEPTH 24

/* Errors stick: the calls after the first one do nothing, and ent_html_end returns it. */
struct ent_html {
    struct ent_buf *out;
    enum ent_err err;
    unsigned depth;
    const char *open[ENT_HTML_DEPTH]; /* names of the open elements */
};

struct ent_html_attribute {
    const char *name;  /* NULL ends a list */
    const char *value; /* escaped */
};

/* Appends to out (borrowed until the end). */
void ent_html_begin(struct ent_html *h, struct ent_buf *out);
/* The first error: LIMIT, NO_MEMORY. An element that is still open is our bug. */
ENT_MUST enum ent_err ent_html_end(struct ent_html *h);

/* css: class or NULL. */
void ent_html_open(struct ent_html *h, const char *element, const char *css);
void ent_html_open_with(struct ent_html *h, const char *element,
                        const struct ent_html_attribute *attributes);
void ent_html_close(struct ent_html *h); /* the innermost */
void ent_html_void(struct ent_html *h, const char *element,
                   const struct ent_html_attribute *attributes);

/* Escaped: & < > " ' by name or number; what is not UTF-8, steers a terminal or turns the direction of
 * writing becomes U+FFFD. A line feed stays one. */
void ent_html_text(struct ent_html *h, const char *text);
void ent_html_textf(struct ent_html *h, const char *fmt, ...) ENT_PRINTF(2, 3);
/* A whole element with a text. */
void ent_html_put(struct ent_html *h, const char *element, const char *css, const char *text);
void ent_html_putf(struct ent_html *h, const char *element, const char *css, const char *fmt, ...)
    ENT_PRINTF(4, 5);
/* Our own CSS or DOCTYPE: not escaped. text: a literal. */
void ent_html_raw(struct ent_html *h, const char *literal);
/* Between elements, so that the file can be read and compared line by line. */
void ent_html_line(struct ent_html *h);

#endif
