/* Inside of the report: sections of the page, and the words they share. */
#ifndef ENT_AUDIT_REPORT_INTERNAL_H
#define ENT_AUDIT_REPORT_INTERNAL_H

#include "audit/html.h"
#include "audit/report.h"
#include "common/json/json.h"

#define ENT_REPORT_ROWS_MAX ((size_t)2000) /* of one table of the page; JSON has all */

struct ent_report {
    const struct ent_audit_facts *facts;
    const struct ent_report_request *request;
    struct ent_html *h;
    const char *heads;     /* of the open table, when its cells carry labels */
    const char *next_head; /* of the cell that comes next */
};

/* The page, in this order (report_*.c). */
void ent_report_verdict(struct ent_report *r);
void ent_report_findings(struct ent_report *r);
void ent_report_unchecked(struct ent_report *r);
void ent_report_federation(struct ent_report *r);
void ent_report_members(struct ent_report *r);
void ent_report_privacy(struct ent_report *r);
void ent_report_budgets(struct ent_report *r); /* within it: runs whose rounds are booked */
/* Within a budget's list: where noise of the coordinator comes from and what could have been chosen of it; what the run
 * released that the budget does not cover. */
void ent_report_noise(struct ent_report *r, const struct ent_audit_spending *s);
void ent_report_uncovered(struct ent_report *r, const struct ent_audit_spending *s);
void ent_report_models(struct ent_report *r);
void ent_report_integrity(struct ent_report *r);
void ent_report_actions(struct ent_report *r);
void ent_report_erasure(struct ent_report *r);
void ent_report_builds(struct ent_report *r);
void ent_report_articles(struct ent_report *r);
void ent_report_repeat(struct ent_report *r);
void ent_report_limits(struct ent_report *r);
void ent_report_annexes(struct ent_report *r);
extern const char *const ent_report_css[]; /* pieces, NULL behind the last */

/* ---- pieces ---- */

/* A section with its heading; ent_report_end closes it. */
void ent_report_section(struct ent_report *r, const char *id, const char *title);
void ent_report_end(struct ent_report *r);
/* What a table does where it is wider than the screen: each row becomes a card with the heads as labels; its texts wrap; it
 * scrolls in its box. */
enum ent_report_kind { ENT_REPORT_CARDS, ENT_REPORT_WRAPS, ENT_REPORT_SCROLLS };
/* heads: words split by '|' (a literal, kept until table_end), each at most 63 bytes; a word that begins with '#' is a column
 * of numbers. Rows: ent_report_row, cells, ent_html_close. */
void ent_report_table(struct ent_report *r, enum ent_report_kind kind, const char *label,
                      const char *heads);
void ent_report_table_end(struct ent_report *r);
/* Entries `term: text` of a list. */
void ent_report_item(struct ent_report *r, const char *term, const char *fmt, ...) ENT_PRINTF(3, 4);
/* The same with a text that is no prose: a digest, a root, a key. */
void ent_report_code_item(struct ent_report *r, const char *term, const char *code);
void ent_report_digest_item(struct ent_report *r, const char *term, const uint8_t digest[32]);
void ent_report_row(struct ent_report *r); /* ent_html_close ends it */
/* A cell with more than a text; css: "n" number, "w" never wraps, "wide", NULL. */
void ent_report_td(struct ent_report *r, const char *css);
void ent_report_td_end(struct ent_report *r);
void ent_report_text(struct ent_report *r, const char *css, const char *text);
void ent_report_textf(struct ent_report *r, const char *css, const char *fmt, ...) ENT_PRINTF(3, 4);
void ent_report_cell(struct ent_report *r, const char *text);
void ent_report_number(struct ent_report *r, uint64_t n);
void ent_report_time(struct ent_report *r, uint64_t ms);
/* Allowed to break; at most 32 bytes. */
void ent_report_hex(struct ent_report *r, const uint8_t *bytes, size_t len);
/* Name where it was disclosed, and the handle. */
void ent_report_member(struct ent_report *r, const uint8_t handle[16]);
/* A word on a coloured ground; css: good, bad, warn, none. */
void ent_report_mark(struct ent_report *r, const char *css, const char *word);
/* "A further N are not listed ...", when a table was cut or a list was bounded. */
void ent_report_more(struct ent_report *r, const char *what, uint64_t listed, uint64_t n,
                     uint64_t lost);

/* ---- words ---- */

#define ENT_REPORT_NUMBER_BYTES 32
/* 51204 -> "51,204". */
const char *ent_report_count(uint64_t n, char out[ENT_REPORT_NUMBER_BYTES]);
/* Billionths as a decimal with at most 6 places. */
const char *ent_report_nano(int64_t nano, char out[ENT_REPORT_NUMBER_BYTES]);
/* As a signed note writes it: base64. */
#define ENT_REPORT_ROOT_BYTES 48
const char *ent_report_root(const uint8_t root[32], char out[ENT_REPORT_ROOT_BYTES]);
const char *ent_report_task(uint32_t task, uint32_t split);
const char *ent_report_action_word(uint32_t action);
const char *ent_report_release_word(uint32_t kind);
const char *ent_report_basis_word(uint32_t basis);
/* "no answer in time"; a code that this build does not know says so. */
const char *ent_report_code(uint32_t code);
/* Name of a member or an auditor, or NULL. */
const char *ent_report_name_of(const struct ent_report_names *names, const uint8_t *who,
                               size_t len);
/* The figure of that name among the evaluations of a model: test rows before validation rows. NULL. */
const struct ent_msg_metric *ent_report_figure(const struct ent_audit_facts *facts,
                                               const uint8_t model[32], const char *name,
                                               uint32_t *split);
/* Noise at the coordinator of that run; NULL. */
const struct ent_audit_noising *ent_report_noising_of(const struct ent_audit_facts *facts,
                                                      uint32_t run);
/* The newest config.set whose rounds that run played; NULL. */
const struct ent_audit_run *ent_report_run_of(const struct ent_audit_facts *facts, uint32_t run);
bool ent_report_is_statistics(const struct ent_audit_round *round);
/* Things that were released without noise. */
struct ent_report_exposed {
    uint64_t statistics;
    uint64_t figures;
    uint64_t models;
    uint64_t covered; /* of them under noise */
};
void ent_report_exposed(const struct ent_audit_facts *facts, struct ent_report_exposed *out);

/* The object `privacy` of the JSON. */
void ent_report_json_privacy(struct ent_json_writer *w, const struct ent_audit_facts *facts,
                             const struct ent_report_names *names);

/* What the articles ask for, and what of it is in the log. */
struct ent_report_article {
    const char *article;
    const char *asks;
    bool found;
    char where[ENT_AUDIT_TEXT_MAX];
};
#define ENT_REPORT_ARTICLES 5
void ent_report_article_list(const struct ent_audit_facts *facts,
                             struct ent_report_article out[ENT_REPORT_ARTICLES]);

#endif
