#include "common/config/scalar.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define MAX_DIGITS 800 /* of a number that does not fit the fast path; longer ones are refused */
#define MAX_EXPONENT 100000

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What a decimal text says, before rounding: digits (without leading zeros) times 10^exponent. */
struct decimal {
    bool negative;
    uint64_t mantissa; /* valid when n_digits <= 19 */
    size_t n_digits;
    long exponent;
};

/* Digits with at most one point; false when there is no digit. *pos moves behind them. */
static bool read_mantissa(const char *text, size_t len, size_t *pos, struct decimal *out)
{
    bool any = false;
    bool point = false;
    size_t i = *pos;

    for (; i < len && (is_digit(text[i]) || (text[i] == '.' && !point)); i++) {
        if (text[i] == '.') {
            point = true;
            continue;
        }
        any = true;
        out->exponent -= point ? 1 : 0;
        if (out->n_digits > 0 || text[i] != '0') {
            out->n_digits++;
            if (out->n_digits <= 19) {
                out->mantissa = out->mantissa * 10 + (uint64_t)(text[i] - '0');
            }
        }
    }
    *pos = i;
    return any;
}

static bool read_exponent(const char *text, size_t len, size_t *pos, struct decimal *out)
{
    size_t i = *pos;
    bool negative;
    long e = 0;

    if (i == len || (text[i] != 'e' && text[i] != 'E')) {
        return true;
    }
    i++;
    negative = i < len && text[i] == '-';
    if (i < len && (text[i] == '-' || text[i] == '+')) {
        i++;
    }
    if (i == len) {
        return false;
    }
    for (; i < len && is_digit(text[i]); i++) {
        e = e < MAX_EXPONENT ? e * 10 + (text[i] - '0') : e;
    }
    out->exponent += negative ? -e : e;
    *pos = i;
    return true;
}

/* The digits without a point and with their exponent, so that no locale's decimal point matters to
 * strtod. */
static bool round_slowly(const char *text, size_t len, const struct decimal *d, double *out)
{
    char plain[MAX_DIGITS + 32];
    size_t n = 0;
    char *end = NULL;

    if (d->n_digits > MAX_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < len && text[i] != 'e' && text[i] != 'E'; i++) {
        if (is_digit(text[i]) && (n > 0 || text[i] != '0')) {
            plain[n++] = text[i];
        }
    }
    (void)snprintf(plain + n, sizeof plain - n, "e%ld", d->exponent);
    errno = 0;
    *out = strtod(plain, &end);
    return end != NULL && *end == '\0' && isfinite(*out);
}

/* A mantissa below 2^53 and a power of ten that a double holds exactly: one multiplication or
 * division rounds once, so the result is the correctly rounded one (Clinger 1990). */
bool ent_scalar_double(const char *text, size_t len, double *out)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct decimal d = {0};
    size_t pos = 0;
    double value;

    if (len > 0 && (text[0] == '-' || text[0] == '+')) {
        d.negative = text[0] == '-';
        pos = 1;
    }
    if (!read_mantissa(text, len, &pos, &d) || !read_exponent(text, len, &pos, &d) || pos != len) {
        return false;
    }
    if (d.n_digits == 0) {
        value = 0.0;
    } else if (d.n_digits <= 19 && d.mantissa <= ((uint64_t)1 << 53) && d.exponent >= -22 &&
               d.exponent <= 22) {
        value = d.exponent < 0 ? (double)d.mantissa / power[-d.exponent]
                               : (double)d.mantissa * power[d.exponent];
    } else if (!round_slowly(text, len, &d, &value)) {
        return false;
    }
    *out = d.negative ? -value : value;
    return true;
}

bool ent_scalar_u64(const char *text, size_t len, uint64_t *out)
{
    uint64_t value = 0;

    if (len == 0) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i]) || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit *find_unit(const struct unit *units, const char *text, size_t len)
{
    for (const struct unit *u = units; u->name != NULL; u++) {
        if (strlen(u->name) == len && memcmp(u->name, text, len) == 0) {
            return u;
        }
    }
    return NULL;
}

/* Length of the leading digits and points, and where the unit begins (a space may stand between
 * them). */
static size_t split_unit(const char *text, size_t len, size_t *unit)
{
    size_t n = 0;

    while (n < len && (is_digit(text[n]) || text[n] == '.')) {
        n++;
    }
    *unit = n + (n < len && text[n] == ' ' ? 1U : 0U);
    return n;
}

bool ent_scalar_duration_ms(const char *text, size_t len, uint64_t *out)
{
    static const struct unit units[] = {{"ms", 1},      {"s", 1000},     {"min", 60000},
                                        {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
    size_t at;
    size_t n = split_unit(text, len, &at);
    const struct unit *unit = find_unit(units, text + at, len - at);
    double value;
    double ms;

    if (unit == NULL || !ent_scalar_double(text, n, &value)) {
        return false;
    }
    ms = value * (double)unit->factor;
    if (!(ms >= 0.0) || ms > 9007199254740992.0 || ms != floor(ms)) {
        return false;
    }
    *out = (uint64_t)ms;
    return true;
}

bool ent_scalar_size(const char *text, size_t len, uint64_t *out)
{
    static const struct unit units[] = {
        {"", 1},       {"B", 1},         {"kB", 1000},        {"MB", 1000000}, {"GB", 1000000000},
        {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {NULL, 0}};
    size_t at;
    size_t n = split_unit(text, len, &at);
    const struct unit *unit = find_unit(units, text + at, len - at);
    uint64_t value;

    if (unit == NULL || !ent_scalar_u64(text, n, &value)) {
        return false;
    }
    return !__builtin_mul_overflow(value, unit->factor, out);
}

bool ent_scalar_bool(const char *text, size_t len, bool *out)
{
    static const struct {
        const char *name;
        bool value;
    } names[] = {{"true", true}, {"false", false}, {"yes", true}, {"no", false},
                 {"1", true},    {"0", false},     {"t", true},   {"f", false},
                 {"y", true},    {"n", false},     {"on", true},  {"off", false}};
    char lower[8];

    if (len == 0 || len >= sizeof lower) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        lower[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
    }
    for (size_t i = 0; i < ENT_ARRAY_LEN(names); i++) {
        if (strlen(names[i].name) == len && memcmp(names[i].name, lower, len) == 0) {
            *out = names[i].value;
            return true;
        }
    }
    return false;
}

void ent_scalar_double_text(double value, char out[ENT_SCALAR_TEXT_BYTES])
{
    if (value == floor(value) && fabs(value) < 1e15) {
        (void)snprintf(out, ENT_SCALAR_TEXT_BYTES, "%.0f", value);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        double back;

        (void)snprintf(out, ENT_SCALAR_TEXT_BYTES, "%.*g", digits, value);
        for (char *p = out; *p != '\0'; p++) { /* whatever the locale's decimal point is */
            if (*p == ',') {
                *p = '.';
            }
        }
        if (ent_scalar_double(out, strlen(out), &back) && back == value) {
            return;
        }
    }
}
