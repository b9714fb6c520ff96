#include "common/feature/feature.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"

const char *const ent_encode_names[] = {"standard", "log", "ple"};
const char *const ent_scale_names[] = {"log", "linear"};
const char *const ent_outliers_names[] = {"clip", "missing", "drop_row"};
const char *const ent_codes_names[] = {"declared", "hashed", "vocabulary"};
const char *const ent_date_part_names[] = {"none", "month", "weekday", "hour", "age"};

static const char *const months[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"};
static const char *const weekdays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
static const char *const hours[] = {"0",  "1",  "2",  "3",  "4",  "5",  "6",  "7",
                                    "8",  "9",  "10", "11", "12", "13", "14", "15",
                                    "16", "17", "18", "19", "20", "21", "22", "23"};

const char *const *ent_date_part_values(enum ent_date_part part, uint32_t *n)
{
    switch (part) {
    case ENT_DATE_MONTH:
        *n = ENT_ARRAY_LEN(months);
        return months;
    case ENT_DATE_WEEKDAY:
        *n = ENT_ARRAY_LEN(weekdays);
        return weekdays;
    case ENT_DATE_HOUR:
        *n = ENT_ARRAY_LEN(hours);
        return hours;
    default:
        *n = 0;
        return NULL;
    }
}

uint32_t ent_feature_n_codes(const struct ent_feature *f)
{
    switch (f->codes) {
    case ENT_CODES_HASHED:
        return (UINT32_C(1) << f->bits) + 1;
    case ENT_CODES_VOCABULARY:
        return f->size + 1;
    default:
        return f->n_values + 1;
    }
}

static uint32_t number_inputs(const struct ent_feature *f)
{
    uint32_t n = 1;

    if (f->encode == ENT_ENCODE_PLE) {
        n = f->heavy ? 2 * f->bins : f->bins;
    }
    return n + (f->indicator ? 1 : 0);
}

uint32_t ent_feature_inputs(const struct ent_feature *f)
{
    switch (f->type) {
    case ENT_FEATURE_NUMBER:
        return number_inputs(f);
    case ENT_FEATURE_CATEGORY:
        return f->embed > 0 ? 0 : ent_feature_n_codes(f);
    case ENT_FEATURE_VECTOR:
        return f->length;
    case ENT_FEATURE_BOOLEAN:
        break;
    }
    return 2;
}

uint32_t ent_features_n_tokens(const struct ent_feature *features, uint32_t n)
{
    uint32_t tokens = 0;

    for (uint32_t i = 0; i < n; i++) {
        tokens += features[i].embed > 0 ? 1 : 0;
    }
    return tokens;
}

uint64_t ent_features_number(struct ent_feature *features, uint32_t n)
{
    uint64_t inputs = 0;

    for (uint32_t i = 0; i < n; i++) {
        features[i].first_input = (uint32_t)inputs;
        features[i].n_inputs = ent_feature_inputs(&features[i]);
        inputs += features[i].n_inputs;
    }
    return inputs;
}

/* ---- whole ---- */

static enum ent_err check_number(const struct ent_feature *f)
{
    ENT_REQUIRE(isfinite(f->lo) && isfinite(f->hi), ENT_E_NONFINITE,
                "feature %s: its range must be finite", f->name);
    ENT_REQUIRE(f->lo <= f->hi, ENT_E_CONFIG, "feature %s: its range is empty", f->name);
    ENT_REQUIRE(f->encode != ENT_ENCODE_PLE ||
                    (f->bins >= ENT_FEATURE_BINS_MIN && f->bins <= ENT_FEATURE_BINS_MAX),
                ENT_E_CONFIG, "feature %s: its number of bins is not possible", f->name);
    ENT_REQUIRE(f->part == ENT_DATE_NONE || f->part == ENT_DATE_AGE, ENT_E_CONFIG,
                "feature %s: a number cannot be that part of a date", f->name);
    return ENT_E_OK;
}

static enum ent_err check_vector(const struct ent_feature *f)
{
    ENT_REQUIRE(isfinite(f->lo) && isfinite(f->hi), ENT_E_NONFINITE,
                "feature %s: its range must be finite", f->name);
    ENT_REQUIRE(f->lo < f->hi, ENT_E_CONFIG, "feature %s: its range is empty", f->name);
    ENT_REQUIRE(f->length >= 1 && f->length <= ENT_FEATURE_VECTOR_MAX, ENT_E_CONFIG,
                "feature %s: a vector has 1 to %d numbers", f->name, ENT_FEATURE_VECTOR_MAX);
    ENT_REQUIRE(f->indicator == false && f->part == ENT_DATE_NONE, ENT_E_CONFIG,
                "feature %s: a vector has no indicator and is no part of a date", f->name);
    return ENT_E_OK;
}

static enum ent_err check_category(const struct ent_feature *f)
{
    uint32_t most = f->codes == ENT_CODES_HASHED ? ENT_FEATURE_HASH_BITS : ENT_FEATURE_VOCAB_BITS;

    ENT_REQUIRE(f->indicator == false, ENT_E_CONFIG, "feature %s: only numbers have an indicator",
                f->name);
    if (f->codes == ENT_CODES_DECLARED) {
        ENT_REQUIRE(f->part != ENT_DATE_AGE, ENT_E_CONFIG,
                    "feature %s: a category cannot be that part of a date", f->name);
        return ENT_E_OK;
    }
    ENT_REQUIRE(f->bits >= 1 && f->bits <= most, ENT_E_CONFIG,
                "feature %s: its number of bits is not possible", f->name);
    ENT_REQUIRE(f->salt != NULL && f->salt[0] != '\0' && strlen(f->salt) <= ENT_FEATURE_SALT_MAX,
                ENT_E_CONFIG, "feature %s: it has no salt", f->name);
    ENT_REQUIRE(f->codes == ENT_CODES_HASHED || (f->size >= 1 && f->size <= UINT32_C(1) << f->bits),
                ENT_E_CONFIG, "feature %s: its vocabulary has an impossible size", f->name);
    ENT_REQUIRE(f->part == ENT_DATE_NONE, ENT_E_CONFIG,
                "feature %s: a hashed category is not part of a date", f->name);
    return ENT_E_OK;
}

enum ent_err ent_feature_check(const struct ent_feature *f)
{
    ENT_REQUIRE(f->name != NULL && f->name[0] != '\0', ENT_E_CONFIG, "a feature has no name");
    ENT_REQUIRE(f->column != NULL && f->column[0] != '\0', ENT_E_CONFIG, "feature %s has no column",
                f->name);
    ENT_REQUIRE((f->part == ENT_DATE_NONE) == (f->format == NULL), ENT_E_CONFIG,
                "feature %s: a part of a date and its format belong together", f->name);
    ENT_REQUIRE(f->embed == 0 || f->type == ENT_FEATURE_CATEGORY, ENT_E_CONFIG,
                "feature %s: only a category has an embedding", f->name);
    if (f->type == ENT_FEATURE_NUMBER) {
        return check_number(f);
    }
    if (f->type == ENT_FEATURE_CATEGORY) {
        return check_category(f);
    }
    if (f->type == ENT_FEATURE_VECTOR) {
        return check_vector(f);
    }
    ENT_REQUIRE(f->indicator == false && f->part == ENT_DATE_NONE, ENT_E_CONFIG,
                "feature %s: a boolean has no indicator and is no part of a date", f->name);
    return ENT_E_OK;
}

/* ---- alike ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_number(const struct ent_feature *a, const struct ent_feature *b)
{
    if (a->lo != b->lo || a->hi != b->hi || a->indicator != b->indicator ||
        a->encode != b->encode || a->outliers != b->outliers) {
        return false;
    }
    return a->encode != ENT_ENCODE_PLE ||
           (a->scale == b->scale && a->bins == b->bins && a->heavy == b->heavy);
}

static bool same_category(const struct ent_feature *a, const struct ent_feature *b)
{
    if (a->codes != b->codes || a->n_values != b->n_values || a->embed != b->embed) {
        return false;
    }
    for (uint32_t i = 0; i < a->n_values; i++) {
        if (strcmp(a->values[i], b->values[i]) != 0) {
            return false;
        }
    }
    if (a->codes == ENT_CODES_DECLARED) {
        return true;
    }
    return a->bits == b->bits && same_text(a->salt, b->salt) &&
           (a->codes == ENT_CODES_HASHED ||
            (a->size == b->size && a->min_customers == b->min_customers &&
             a->min_members == b->min_members));
}

bool ent_feature_same(const struct ent_feature *a, const struct ent_feature *b)
{
    if (!same_text(a->name, b->name) || !same_text(a->column, b->column) || a->type != b->type ||
        a->first_input != b->first_input || a->n_inputs != b->n_inputs || a->part != b->part ||
        !same_text(a->format, b->format) || a->reference != b->reference) {
        return false;
    }
    switch (a->type) {
    case ENT_FEATURE_NUMBER:
        return same_number(a, b);
    case ENT_FEATURE_CATEGORY:
        return same_category(a, b);
    case ENT_FEATURE_VECTOR:
        return a->lo == b->lo && a->hi == b->hi && a->length == b->length;
    case ENT_FEATURE_BOOLEAN:
        break;
    }
    return true;
}

/* ---- in words ---- */

static void number_text(const struct ent_feature *f, char out[ENT_FEATURE_TEXT_BYTES])
{
    static const char *const outliers[] = {"", ", outliers count as missing",
                                           ", rows with outliers are dropped"};
    const char *indicator = f->indicator ? ", with an input for missing" : "";
    const char *what = f->part == ENT_DATE_AGE ? "age in days" : "number";
    char encode[64] = "";

    if (f->encode == ENT_ENCODE_LOG) {
        (void)snprintf(encode, sizeof encode, ", signed log");
    } else if (f->encode == ENT_ENCODE_PLE) {
        (void)snprintf(encode, sizeof encode, ", piecewise linear over %u bins (%s scale)", f->bins,
                       f->scale == ENT_SCALE_LOG ? "log" : "linear");
    }
    (void)snprintf(out, ENT_FEATURE_TEXT_BYTES, "%s in [%g, %g]%s%s%s", what, f->lo, f->hi, encode,
                   indicator, outliers[f->outliers]);
}

static void category_text(const struct ent_feature *f, char out[ENT_FEATURE_TEXT_BYTES])
{
    char embed[48] = "";

    if (f->embed > 0) {
        (void)snprintf(embed, sizeof embed, ", each a learned vector of %u", f->embed);
    }
    if (f->codes == ENT_CODES_HASHED) {
        (void)snprintf(out, ENT_FEATURE_TEXT_BYTES, "category hashed into %u buckets%s",
                       UINT32_C(1) << f->bits, embed);
    } else if (f->codes == ENT_CODES_VOCABULARY) {
        (void)snprintf(out, ENT_FEATURE_TEXT_BYTES,
                       "category of at most %u of %u hashed buckets (floors: %u customers, %u "
                       "members) and other%s",
                       f->size, UINT32_C(1) << f->bits, f->min_customers, f->min_members, embed);
    } else if (f->part != ENT_DATE_NONE) {
        (void)snprintf(out, ENT_FEATURE_TEXT_BYTES, "%s of a date: %u values and other%s",
                       ent_date_part_names[f->part], f->n_values, embed);
    } else {
        (void)snprintf(out, ENT_FEATURE_TEXT_BYTES, "category of %u values and other%s",
                       f->n_values, embed);
    }
}

void ent_feature_text(const struct ent_feature *f, char out[ENT_FEATURE_TEXT_BYTES])
{
    if (f->type == ENT_FEATURE_NUMBER) {
        number_text(f, out);
    } else if (f->type == ENT_FEATURE_BOOLEAN) {
        (void)snprintf(out, ENT_FEATURE_TEXT_BYTES, "boolean");
    } else if (f->type == ENT_FEATURE_VECTOR) {
        (void)snprintf(out, ENT_FEATURE_TEXT_BYTES, "vector of %u numbers in [%g, %g]", f->length,
                       f->lo, f->hi);
    } else {
        category_text(f, out);
    }
}

/* ---- scales ---- */

#define LN2 0x1.62e42fefa39efp-1
#define LN2_HIGH 0x1.62e42feep-1 /* few bits, so that a multiple of it is exact */
#define LN2_LOW 0x1.a39ef35793c76p-33
#define SQRT2 0x1.6a09e667f3bcdp+0

/* 2 atanh(s) for |s| <= 0.2: the series, from its small end. */
static double two_atanh(double s)
{
    double z = s * s;
    double sum = 0.0;

    for (int k = 25; k >= 1; k -= 2) {
        sum = sum * z + 1.0 / (double)k;
    }
    return 2.0 * s * sum;
}

/* ln(1 + a), a >= 0; frexp and ldexp are exact, so they are the same everywhere. */
static double log_1p(double a)
{
    double m;
    int e;

    if (a < 0.5) {
        return two_atanh(a / (2.0 + a));
    }
    m = frexp(1.0 + a, &e);
    if (m * 2.0 < SQRT2) {
        m *= 2.0;
        e--;
    }
    return (double)e * LN2 + two_atanh((m - 1.0) / (m + 1.0));
}

/* e^r - 1 for |r| <= 0.5. */
static double exp_m1_small(double r)
{
    double sum = 0.0;

    for (int k = 17; k >= 1; k--) {
        sum = (sum + 1.0) * r / (double)k;
    }
    return sum;
}

static double exp_m1(double y)
{
    double k;
    double r;

    if (y < 0.5) {
        return exp_m1_small(y);
    }
    k = floor(y / LN2 + 0.5);
    r = (y - k * LN2_HIGH) - k * LN2_LOW;
    return ldexp(1.0 + exp_m1_small(r), (int)k) - 1.0;
}

double ent_slog(double x)
{
    return x < 0.0 ? -log_1p(-x) : log_1p(x);
}

double ent_sexp(double y)
{
    return y < 0.0 ? -exp_m1(-y) : exp_m1(y);
}

bool ent_feature_logs(const struct ent_feature *f)
{
    return f->encode == ENT_ENCODE_LOG ||
           (f->encode == ENT_ENCODE_PLE && f->scale == ENT_SCALE_LOG);
}

double ent_feature_map(const struct ent_feature *f, double x)
{
    return ent_feature_logs(f) ? ent_slog(x) : x;
}

double ent_feature_unmap(const struct ent_feature *f, double y)
{
    return ent_feature_logs(f) ? ent_sexp(y) : y;
}

struct ent_place ent_place_of(const struct ent_feature *f)
{
    double lo = ent_feature_map(f, f->lo);

    return (struct ent_place){
        .log = ent_feature_logs(f), .lo = lo, .span = ent_feature_map(f, f->hi) - lo};
}

double ent_place_unit(const struct ent_place *place, double clipped)
{
    double u = ((place->log ? ent_slog(clipped) : clipped) - place->lo) / place->span;

    if (!(u > 0.0)) { /* a range that the log makes a point included */
        return 0.0;
    }
    return u < 1.0 ? u : 1.0;
}

uint32_t ent_place_cell(const struct ent_place *place, double clipped)
{
    uint32_t cell = (uint32_t)(ent_place_unit(place, clipped) * (double)ENT_FEATURE_CELLS);

    return cell < ENT_FEATURE_CELLS ? cell : ENT_FEATURE_CELLS - 1;
}

double ent_feature_cell_edge(const struct ent_feature *f, uint32_t cell)
{
    struct ent_place place = ent_place_of(f);
    double x;

    if (cell == 0 || cell >= ENT_FEATURE_CELLS) {
        return cell == 0 ? f->lo : f->hi;
    }
    x = ent_feature_unmap(f, place.lo + place.span * (double)cell / (double)ENT_FEATURE_CELLS);
    if (x < f->lo) {
        return f->lo;
    }
    return x < f->hi ? x : f->hi;
}
