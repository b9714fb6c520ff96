/* Which of the usual ways to write a date a column follows. */
#include <string.h>

#include "client/data/profile.h"
#include "common/feature/date.h"

#define DAY INT64_C(86400)
#define FIRST_TRIED                                                                                \
    200U /* values after which only forms that fit at least half of them are tried */

/* In the order of preference: of forms that fit equally many values, the first. */
const char *const ent_profile_dates[ENT_PROFILE_DATES] = {
    "iso",
    "DD.MM.YYYY",
    "DD.MM.YYYY hh:mm",
    "DD.MM.YYYY hh:mm:ss",
    "MM/DD/YYYY",
    "MM/DD/YYYY hh:mm",
    "MM/DD/YYYY hh:mm:ss",
    "DD/MM/YYYY",
    "DD/MM/YYYY hh:mm",
    "DD/MM/YYYY hh:mm:ss",
    "YYYY/MM/DD",
    "YYYY/MM/DD hh:mm",
    "YYYY/MM/DD hh:mm:ss",
    "DD-MM-YYYY",
    "DD-MM-YYYY hh:mm",
    "DD-MM-YYYY hh:mm:ss",
    "YYYYMMDD",
    "unix",
};

void ent_profile_count_dates(struct ent_profile *p, const char *text, size_t len)
{
    for (size_t f = 0; f < ENT_PROFILE_DATES; f++) {
        struct ent_profile_date *d = &p->dates[f];
        int64_t seconds;

        if ((p->n_text > FIRST_TRIED && d->n * 2 < p->n_text) ||
            !ent_date_parse(ent_profile_dates[f], text, len, &seconds)) {
            continue;
        }
        d->min = d->n == 0 || seconds < d->min ? seconds : d->min;
        d->max = d->n == 0 || seconds > d->max ? seconds : d->max;
        d->clock = d->clock || seconds % DAY != 0;
        d->n++;
    }
}
