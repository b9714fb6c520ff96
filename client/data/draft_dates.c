/* Columns of dates: which way of writing, which parts. */
#include <math.h>
#include <string.h>

#include "client/data/draft.h"
#include "common/config/config.h"

#define DAY INT64_C(86400)
#define MONTH_DAYS 60  /* shorter spans say nothing of the month */
#define LIFE_DAYS 7305 /* longer ones are dates of birth: their weekday is chance */
#define FITS_OF 100U   /* one value in so many may be something else */
#define YEAR_FIRST 1900
#define YEAR_LAST 2100

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Ten digits may be anything: unless the name says so, they are no time. */
static bool named_like_time(const char *name)
{
    static const char *const words[] = {"time", "date", "since", "unix", "epoch", "_at", "created"};
    char text[260];
    size_t n = strlen(name);

    if (n >= sizeof text) {
        return false;
    }
    for (size_t i = 0; i <= n; i++) {
        text[i] = lower(name[i]);
    }
    for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
        if (strstr(text, words[w]) != NULL) {
            return true;
        }
    }
    return strcmp(text, "ts") == 0 || (n > 3 && strcmp(text + n - 3, "_ts") == 0);
}

static uint64_t present(const struct ent_profile *p)
{
    uint64_t words = 0;

    for (size_t w = 0; w < ENT_PROFILE_WORDS; w++) {
        words += p->n_word[w];
    }
    return p->n_text - words;
}

/* Whole years since 1970 of 365.2425 days are near enough here. */
static int64_t year_of(int64_t seconds)
{
    return 1970 + (int64_t)floor((double)seconds / (365.2425 * (double)DAY));
}

static bool plausible(const struct ent_profile *p, size_t format)
{
    const struct ent_profile_date *d = &p->dates[format];

    return d->n > 0 && year_of(d->min) >= YEAR_FIRST && year_of(d->max) <= YEAR_LAST &&
           (strcmp(ent_profile_dates[format], "unix") != 0 ||
            (named_like_time(p->name) && d->min > 100000000));
}

static int best_format(const struct ent_profile *p)
{
    int best = -1;

    for (int f = 0; f < ENT_PROFILE_DATES; f++) {
        if (plausible(p, (size_t)f) && (best < 0 || p->dates[f].n > p->dates[best].n)) {
            best = f;
        }
    }
    return best;
}

/* Another order of day and month that all values allow as well. */
static const char *other_format(const struct ent_profile *p, int best)
{
    for (int f = best + 1; f < ENT_PROFILE_DATES; f++) {
        if (plausible(p, (size_t)f) && p->dates[f].n == p->dates[best].n &&
            strlen(ent_profile_dates[f]) == strlen(ent_profile_dates[best])) {
            return ent_profile_dates[f];
        }
    }
    return NULL;
}

/* 31 December of that year, in seconds: 1 January of the next, less a day. */
static int64_t last_day(int64_t year)
{
    int64_t y = year; /* leap days in 1 .. year, less those before 1970 */
    int64_t leaps = y / 4 - y / 100 + y / 400 - 477;

    return ((year + 1 - 1970) * 365 + leaps - 1) * DAY;
}

static double round_up(double days)
{
    double step = pow(10.0, floor(log10(days < 10.0 ? 10.0 : days))) / 2.0;

    return ceil(days / step) * step;
}

bool ent_draft_date(struct ent_draft_column *column)
{
    const struct ent_profile *p = column->profile;
    struct ent_draft_date *date = &column->date;
    int best = best_format(p);
    const struct ent_profile_date *d = best >= 0 ? &p->dates[best] : NULL;
    int64_t span;

    if (d == NULL || (present(p) - d->n) * FITS_OF > present(p)) {
        return false;
    }
    span = (d->max - d->min) / DAY;
    *date = (struct ent_draft_date){.format = ent_profile_dates[best],
                                    .other = other_format(p, best),
                                    .n_other = present(p) - d->n,
                                    .year = year_of(d->max),
                                    .month = span >= MONTH_DAYS && span <= LIFE_DAYS,
                                    .weekday = span <= LIFE_DAYS && span > 0,
                                    .hour = d->clock};
    date->year += last_day(date->year) + DAY <= d->max ? 1 : 0;
    column->lo = 0.0;
    column->hi = round_up((double)(last_day(date->year) - d->min) / (double)DAY);
    column->indicator = p->n_blank + (p->n_text - present(p)) > 0;
    return d->max > d->min;
}

enum ent_err ent_draft_add_date(const struct ent_draft_column *column, struct ent_buf *out)
{
    const struct ent_draft_date *d = &column->date;

    if (d->other != NULL) {
        ENT_TRY(ent_buf_addf(out, "  # no day above 12 tells whether it is %s or %s: check\n",
                             d->format, d->other));
    }
    ENT_TRY(ent_buf_addf(out,
                         "  # age: days before the reference, which is one day for all members\n"));
    ENT_TRY(ent_buf_addf(out, "  - {name: "));
    ENT_TRY(ent_config_quote(out, column->profile->name));
    ENT_TRY(ent_buf_addf(out, ", type: date, format: "));
    ENT_TRY(ent_config_quote(out, d->format));
    return ent_buf_addf(
        out, ", parts: [%s%s%sage], reference: %04d-12-31, range: [%.12g, %.12g], encode: ple%s}\n",
        d->month ? "month, " : "", d->weekday ? "weekday, " : "", d->hour ? "hour, " : "",
        (int)d->year, column->lo, column->hi, column->indicator ? ", indicator: true" : "");
}
