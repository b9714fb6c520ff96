/* Facts of a federation that never was, for the tests of the report: three members, one run, some of everything. */
#ifndef ENT_TESTS_UNIT_AUDIT_TEST_REPORT_SAMPLE_H
#define ENT_TESTS_UNIT_AUDIT_TEST_REPORT_SAMPLE_H

#include "audit/report.h"

#define SAMPLE_MEMBERS 4
#define SAMPLE_SALT 0x5A /* each byte of the salt of each name */

enum sample_kind { SAMPLE_PASS, SAMPLE_FAIL, SAMPLE_INCOMPLETE };

/* n_rounds: training rounds. Release with ent_audit_facts_release. */
void sample_facts(enum sample_kind kind, size_t n_rounds, struct ent_audit_facts *out);
/* Names, in order of the members. */
extern const char *const sample_names[SAMPLE_MEMBERS];
struct ent_report_request sample_request(void);

struct page {
    struct ent_buf buf; /* released by the test */
    const char *text;
};
void page_make(struct page *page, const struct ent_audit_facts *facts,
               const struct ent_report_request *request);
void page_sample(struct page *page, enum sample_kind kind, size_t n_rounds);
bool page_says(const struct page *page, const char *text);
/* Where `text` stands first at or behind `from`; the test ends when it does not. */
const char *page_at(const char *from, const char *text);
size_t page_count(const struct page *page, const char *text);

#endif
