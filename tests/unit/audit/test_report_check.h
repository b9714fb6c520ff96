/* A small reader of our own pages: whether tags and attributes are as the writer promises, and what the skeleton is. */
#ifndef ENT_TESTS_UNIT_AUDIT_TEST_REPORT_CHECK_H
#define ENT_TESTS_UNIT_AUDIT_TEST_REPORT_CHECK_H

#include "common/base/buf.h"

/* Every tag closed in order, attributes quoted, no stray < > & in texts. NULL, or what is wrong (static). skeleton: gets names
 * of tags and of attributes, in order; may be NULL. */
const char *page_check(const char *page, struct ent_buf *skeleton);

#endif
