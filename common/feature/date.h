/* IN a text and a format · OUT seconds since 1970 · OWNS nothing · THREADS any · SOURCE ISO 8601; Hinnant 2013 (days
 * from civil)
 *
 * Formats: "iso" (2024-05-31, also with a time behind a blank or T, hh:mm or hh:mm:ss or with a fraction, and Z or
 * +hh:mm, which is taken off); "unix" (whole seconds); or a pattern of YYYY MM DD hh mm ss in which every other
 * character stands for itself. Years have four digits, other parts one or two: "DD.MM.YYYY", "MM/DD/YYYY hh:mm". What
 * a pattern does not name is the first of the year or midnight; it must name the year. No locale, no time zones: a
 * clock time is taken as it stands. */
#ifndef ENT_COMMON_FEATURE_DATE_H
#define ENT_COMMON_FEATURE_DATE_H

#include <stdint.h>

#include "common/base/err.h"

#define ENT_DATE_FORMAT_MAX 64

/* Whether it is one of the above; `why` gets the reason (static) otherwise. */
bool ent_date_format_ok(const char *format, const char **why);
/* False: not such a date (or one that does not exist). Years 0001 to 9999. */
bool ent_date_parse(const char *format, const char *text, size_t len, int64_t *seconds);
/* Month 1..12, weekday 0 (Monday) .. 6, hour 0..23. */
uint32_t ent_date_month(int64_t seconds);
uint32_t ent_date_weekday(int64_t seconds);
uint32_t ent_date_hour(int64_t seconds);

#endif
