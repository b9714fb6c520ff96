#include "common/feature/date.h"

#include <string.h>

#define DAY 86400

struct parts {
    int64_t year;
    uint32_t month;
    uint32_t day;
    uint32_t hour;
    uint32_t minute;
    uint32_t second;
};

/* What is left of a text. */
struct cursor {
    const char *at;
    const char *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* least..most digits. */
static bool take_number(struct cursor *c, int least, int most, uint32_t *out)
{
    uint32_t v = 0;
    int n = 0;

    while (n < most && c->at < c->end && is_digit(*c->at)) {
        v = v * 10 + (uint32_t)(*c->at - '0');
        c->at++;
        n++;
    }
    *out = v;
    return n >= least;
}

static bool take_char(struct cursor *c, char want)
{
    if (c->at >= c->end || *c->at != want) {
        return false;
    }
    c->at++;
    return true;
}

/* Days of a civil date since 1970-01-01, years counted from March. */
static int64_t days_of(const struct parts *p)
{
    int64_t y = p->year - (p->month <= 2 ? 1 : 0);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t month = (p->month + 9) % 12;
    int64_t of_year = (153 * month + 2) / 5 + p->day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

static uint32_t days_in(int64_t year, uint32_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap ? 1U : 0U);
}

static bool finish(const struct parts *p, int64_t *seconds)
{
    if (p->year < 1 || p->year > 9999 || p->month < 1 || p->month > 12 || p->day < 1 ||
        p->day > days_in(p->year, p->month) || p->hour > 23 || p->minute > 59 || p->second > 59) {
        return false;
    }
    *seconds = days_of(p) * DAY + (int64_t)p->hour * 3600 + (int64_t)p->minute * 60 + p->second;
    return true;
}

/* ---- iso ---- */

/* ":ss" and ".fff" are optional. */
static bool take_clock(struct cursor *c, struct parts *p)
{
    if (!take_number(c, 2, 2, &p->hour) || !take_char(c, ':') ||
        !take_number(c, 2, 2, &p->minute)) {
        return false;
    }
    if (!take_char(c, ':')) {
        return true;
    }
    if (!take_number(c, 2, 2, &p->second)) {
        return false;
    }
    if (take_char(c, '.')) {
        const char *first = c->at;

        while (c->at < c->end && is_digit(*c->at)) {
            c->at++;
        }
        return c->at > first;
    }
    return true;
}

/* Z, +hh:mm, +hhmm, +hh: seconds to take off. */
static bool take_offset(struct cursor *c, int64_t *offset)
{
    uint32_t hours;
    uint32_t minutes = 0;
    bool minus;

    *offset = 0;
    if (c->at == c->end || take_char(c, 'Z')) {
        return true;
    }
    minus = *c->at == '-';
    if (!minus && *c->at != '+') {
        return false;
    }
    c->at++;
    if (!take_number(c, 2, 2, &hours)) {
        return false;
    }
    if (c->at < c->end) {
        (void)take_char(c, ':');
        if (!take_number(c, 2, 2, &minutes)) {
            return false;
        }
    }
    *offset = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    *offset = minus ? -*offset : *offset;
    return hours <= 23 && minutes <= 59;
}

static bool parse_iso(struct cursor *c, int64_t *seconds)
{
    struct parts p = {0};
    uint32_t year;
    int64_t offset = 0;

    if (!take_number(c, 4, 4, &year) || !take_char(c, '-') || !take_number(c, 2, 2, &p.month) ||
        !take_char(c, '-') || !take_number(c, 2, 2, &p.day)) {
        return false;
    }
    p.year = year;
    if (c->at < c->end) {
        if (!take_char(c, 'T') && !take_char(c, ' ')) {
            return false;
        }
        if (!take_clock(c, &p) || !take_offset(c, &offset)) {
            return false;
        }
    }
    if (c->at != c->end || !finish(&p, seconds)) {
        return false;
    }
    *seconds -= offset;
    return true;
}

static bool parse_unix(struct cursor *c, int64_t *seconds)
{
    bool minus = take_char(c, '-');
    int64_t v = 0;
    int n = 0;

    while (c->at < c->end && is_digit(*c->at) && n < 12) {
        v = v * 10 + (*c->at - '0');
        c->at++;
        n++;
    }
    if (n == 0 || c->at != c->end) {
        return false;
    }
    v = minus ? -v : v;
    *seconds = v;
    return v >= -INT64_C(62135596800) && v <= INT64_C(253402300799); /* 0001 to 9999 */
}

/* ---- patterns ---- */

enum token { YEAR, MONTH, DAY_OF_MONTH, HOUR, MINUTE, SECOND, LITERAL };

static enum token token_at(const char *format, size_t *len)
{
    static const char *const words[] = {"YYYY", "MM", "DD", "hh", "mm", "ss"};

    for (int t = YEAR; t < LITERAL; t++) {
        *len = strlen(words[t]);
        if (strncmp(format, words[t], *len) == 0) {
            return (enum token)t;
        }
    }
    *len = 1;
    return LITERAL;
}

static bool take_token(struct cursor *c, enum token token, char literal, struct parts *p)
{
    uint32_t year = 0;

    switch (token) {
    case YEAR:
        if (!take_number(c, 4, 4, &year)) {
            return false;
        }
        p->year = year;
        return true;
    case MONTH:
        return take_number(c, 1, 2, &p->month);
    case DAY_OF_MONTH:
        return take_number(c, 1, 2, &p->day);
    case HOUR:
        return take_number(c, 1, 2, &p->hour);
    case MINUTE:
        return take_number(c, 1, 2, &p->minute);
    case SECOND:
        return take_number(c, 1, 2, &p->second);
    case LITERAL:
        break;
    }
    return take_char(c, literal);
}

static bool parse_pattern(const char *format, struct cursor *c, int64_t *seconds)
{
    struct parts p = {.month = 1, .day = 1};
    size_t len;

    for (const char *f = format; *f != '\0'; f += len) {
        enum token token = token_at(f, &len);

        if (!take_token(c, token, *f, &p)) {
            return false;
        }
    }
    return c->at == c->end && finish(&p, seconds);
}

bool ent_date_format_ok(const char *format, const char **why)
{
    uint32_t seen = 0;
    size_t len;

    *why = NULL;
    if (strcmp(format, "iso") == 0 || strcmp(format, "unix") == 0) {
        return true;
    }
    if (strlen(format) > ENT_DATE_FORMAT_MAX) {
        *why = "is longer than 64 bytes";
        return false;
    }
    for (const char *f = format; *f != '\0'; f += len) {
        enum token token = token_at(f, &len);

        if (token != LITERAL && (seen >> token & 1U) != 0) {
            *why = "names one part twice";
            return false;
        }
        if (token == LITERAL && ((*f >= 'a' && *f <= 'z') || (*f >= 'A' && *f <= 'Z')) &&
            *f != 'T') {
            *why = "has a letter that is not one of YYYY MM DD hh mm ss (or T)";
            return false;
        }
        seen |= token == LITERAL ? 0U : 1U << token;
    }
    if ((seen & 1U << YEAR) == 0) {
        *why = "does not name the year, YYYY";
        return false;
    }
    return true;
}

bool ent_date_parse(const char *format, const char *text, size_t len, int64_t *seconds)
{
    struct cursor c = {.at = text, .end = text + len};

    if (strcmp(format, "iso") == 0) {
        return parse_iso(&c, seconds);
    }
    return strcmp(format, "unix") == 0 ? parse_unix(&c, seconds)
                                       : parse_pattern(format, &c, seconds);
}

uint32_t ent_date_weekday(int64_t seconds)
{
    int64_t days = floor_div(seconds, DAY) + 3; /* 1970-01-01 was a Thursday */

    return (uint32_t)(days - floor_div(days, 7) * 7);
}

uint32_t ent_date_hour(int64_t seconds)
{
    return (uint32_t)((seconds - floor_div(seconds, DAY) * DAY) / 3600);
}

uint32_t ent_date_month(int64_t seconds)
{
    int64_t z = floor_div(seconds, DAY) + 719468;
    int64_t era = floor_div(z, 146097);
    int64_t of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153; /* from March */

    return (uint32_t)(month < 10 ? month + 3 : month - 9);
}
