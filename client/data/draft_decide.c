/* What each column is. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/data/draft.h"
#include "common/base/mem.h"
#include "common/base/options.h"

#define MAX_VALUES_DEFAULT 30U
#define FEW_WHOLE 20U /* whole numbers with at most this many values may be codes */

static bool listed(const char *const *names, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool contains(const char *name, const char *word)
{
    size_t n = strlen(word);

    for (; *name != '\0'; name++) {
        size_t i = 0;

        while (i < n && lower(name[i]) == word[i]) {
            i++;
        }
        if (i == n) {
            return true;
        }
    }
    return false;
}

/* "id", "customer_id", "session ID", "customerID", "UserId", "uuid": not "paid" or "bid". */
static bool named_like_id(const char *name)
{
    size_t n = strlen(name);
    const char *end = n >= 2 ? name + n - 2 : name;

    if (contains(name, "uuid") || (n == 2 && contains(name, "id"))) {
        return true;
    }
    if (n < 3 || lower(end[0]) != 'i' || lower(end[1]) != 'd') {
        return false;
    }
    return end[-1] == '_' || end[-1] == ' ' || end[-1] == '-' || end[-1] == '.' ||
           (end[0] == 'I' && end[-1] >= 'a' && end[-1] <= 'z');
}

static bool all_numbers(const struct ent_profile *p)
{
    uint64_t words = 0;

    for (size_t w = 0; w < ENT_PROFILE_WORDS; w++) {
        words += p->n_word[w];
    }
    return p->n_number > 0 && p->n_number + words == p->n_text;
}

static bool looks_like_id(const struct ent_draft *d, const struct ent_profile *p,
                          uint32_t max_values)
{
    bool enough = d->profiles->n_rows >= 50;

    if (named_like_id(p->name) && (p->unique || p->many || p->n_values > max_values)) {
        return true;
    }
    if (!p->unique || !enough) {
        return false;
    }
    if (!all_numbers(p)) {
        return true;
    }
    /* a running number: whole, each value once, hardly any gap */
    return p->n_whole == p->n_number && p->max - p->min < 2.0 * (double)p->n_number;
}

bool ent_draft_declares(const struct ent_draft_column *column,
                        const struct ent_profile_value *value)
{
    for (size_t w = 0; w < ENT_PROFILE_WORDS; w++) {
        if (strcmp(value->text, ent_profile_words[w]) == 0) {
            return false;
        }
    }
    return value->count >= column->min_count;
}

/* Rare values stay out of the plan (they may point at a customer); then the most frequent ones up to the maximum. */
static bool choose_values(const struct ent_draft *d, struct ent_draft_column *c,
                          uint32_t max_values)
{
    const struct ent_profile_value *sorted[2048];
    uint64_t covered = 0;

    ent_profile_sorted(c->profile, sorted);
    c->min_count = d->profiles->n_rows >= 1000 ? 10 : 3;
    do {
        c->n_declared = 0;
        covered = 0;
        for (uint32_t i = 0; i < c->profile->n_values; i++) {
            bool in = ent_draft_declares(c, sorted[i]);

            c->n_declared += in ? 1 : 0;
            covered += in ? sorted[i]->count : 0;
        }
        c->min_count += c->n_declared > max_values ? c->min_count / 8 + 1 : 0;
    } while (c->n_declared > max_values);
    return c->n_declared > 0 && covered * 2 >= c->profile->n_text;
}

/* What the plan would refuse as a name, and names that stand twice; NULL when the name is fine. */
static const char *name_problem(const struct ent_profiles *all, const struct ent_profile *p)
{
    size_t len = strlen(p->name);
    uint32_t n = 0;

    for (const char *c = p->name; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20U) {
            return "a control character in its name";
        }
    }
    for (uint32_t i = 0; i < all->n_columns; i++) {
        n += strcmp(all->columns[i].name, p->name) == 0 ? 1 : 0;
    }
    if (len < 1 || len > 256) {
        return len < 1 ? "it has no name" : "its name is too long";
    }
    return n == 1 ? NULL : "its name stands twice in the header";
}

/* Rounded outward to half of the leading decimal place of the span: 18..95 becomes 15..95, -8019..102127 becomes
 * -50000..150000. */
static bool round_range(const struct ent_profile *p, double *lo, double *hi)
{
    double step = pow(10.0, floor(log10(p->max - p->min))) / 2.0;

    if (p->n_whole == p->n_number && step < 1.0) {
        step = 1.0;
    }
    *lo = floor(p->min / step) * step;
    *hi = ceil(p->max / step) * step;
    return *lo >= -1e30 && *hi <= 1e30 && (float)*lo < (float)*hi;
}

static enum ent_role role_of(const struct ent_draft *d, struct ent_draft_column *c)
{
    const struct ent_describe_options *o = d->options;
    const struct ent_profile *p = c->profile;
    uint32_t max_values = o->max_values != 0 ? o->max_values : MAX_VALUES_DEFAULT;
    bool forced = listed(o->categories, o->n_categories, p->name);

    if (listed(o->without, o->n_without, p->name)) {
        return ENT_ROLE_EXCLUDED;
    }
    c->why_unusable = name_problem(d->profiles, p);
    if (c->why_unusable != NULL) {
        return ENT_ROLE_UNUSABLE;
    }
    if (p->n_text == 0) {
        return ENT_ROLE_EMPTY;
    }
    if (p->n_values == 1 && !p->many) {
        return ENT_ROLE_CONSTANT;
    }
    if (!forced && !named_like_id(p->name) && ent_draft_date(c)) {
        return ENT_ROLE_DATE;
    }
    if (!forced && looks_like_id(d, p, max_values)) {
        return ENT_ROLE_ID;
    }
    if (!forced && p->n_true + p->n_false == p->n_text && p->n_true > 0 && p->n_false > 0 &&
        p->n_values == 2) {
        return ENT_ROLE_BOOLEAN;
    }
    if (!forced && all_numbers(p) && p->n_leading_zero == 0 && p->min < p->max) {
        c->few_whole = p->n_whole == p->n_number && !p->many && p->n_values <= FEW_WHOLE;
        if (c->few_whole) { /* for the line that is offered instead */
            c->few_whole = choose_values(d, c, max_values);
        }
        c->indicator = p->n_text - p->n_number + p->n_blank > 0;
        c->why_unusable = "its numbers are too large";
        return round_range(p, &c->lo, &c->hi) ? ENT_ROLE_NUMBER : ENT_ROLE_UNUSABLE;
    }
    return choose_values(d, c, max_values) ? ENT_ROLE_CATEGORY : ENT_ROLE_FREE_TEXT;
}

/* COLUMN=VALUE: the column may have '=' in its name, so the header decides where it ends. */
static enum ent_err find_label(struct ent_draft *d)
{
    const char *label = d->options->label;
    const struct ent_profile *p;

    ENT_REQUIRE(label != NULL && strchr(label, '=') != NULL, ENT_E_USAGE,
                "the label is missing: COLUMN=VALUE, where VALUE is what counts as positive");
    for (const char *eq = strchr(label, '='); eq != NULL; eq = strchr(eq + 1, '=')) {
        size_t len = (size_t)(eq - label);

        for (uint32_t i = 0; i < d->profiles->n_columns; i++) {
            p = &d->profiles->columns[i];
            if (strlen(p->name) == len && memcmp(p->name, label, len) == 0) {
                ENT_REQUIRE(name_problem(d->profiles, p) == NULL, ENT_E_DATA,
                            "label: column %u cannot be used: %s", i + 1,
                            name_problem(d->profiles, p));
                d->label = i;
                d->positive = eq + 1;
                ENT_REQUIRE(ent_profile_count(p, d->positive) > 0, ENT_E_USAGE,
                            "label: '%.60s' does not occur in column '%.80s' (capitals count)",
                            d->positive, p->name);
                ENT_REQUIRE(ent_profile_count(p, d->positive) < p->n_text, ENT_E_DATA,
                            "label: column '%.80s' never has another value than '%.60s'", p->name,
                            d->positive);
                return ENT_E_OK;
            }
        }
    }
    return ent_err_note(ENT_E_USAGE, "label: there is no column '%.*s' in %s",
                        (int)(strchr(label, '=') - label), label, d->options->input);
}

static int id_score(const struct ent_profile *p)
{
    static const char *const people[] = {"customer", "client",  "user",  "member",
                                         "visitor",  "account", "person"};
    int score = named_like_id(p->name) ? 2 : 0;

    for (size_t i = 0; i < ENT_ARRAY_LEN(people); i++) {
        score += contains(p->name, people[i]) ? 4 : 0;
    }
    score += contains(p->name, "session") ? 1 : 0;
    return score * 2 + (p->unique ? 0 : 1); /* a customer comes back; a row number does not */
}

static void choose_unit(struct ent_draft *d)
{
    int best = -1;

    d->unit = -1;
    for (uint32_t i = 0; i < d->profiles->n_columns; i++) {
        if (d->columns[i].role == ENT_ROLE_ID && id_score(d->columns[i].profile) > best) {
            best = id_score(d->columns[i].profile);
            d->unit = (int)i;
        }
    }
}

/* A name that the file does not have is a mistake, which would change nothing. */
static enum ent_err check_names(const struct ent_draft *d, const char *const *columns,
                                const char *option, const char *const *names, uint32_t n)
{
    uint32_t n_columns = d->profiles->n_columns;

    for (uint32_t i = 0; i < n; i++) {
        const char *near = NULL;

        if (listed(columns, n_columns, names[i])) {
            continue;
        }
        near = ent_nearest(names[i], columns, n_columns);
        return ent_err_note(ENT_E_USAGE, "--%s: %s has no column '%.80s'%s%.80s%s", option,
                            d->options->input, names[i], near != NULL ? "; did you mean '" : "",
                            near != NULL ? near : "", near != NULL ? "'?" : "");
    }
    return ENT_E_OK;
}

static enum ent_err check_all_names(const struct ent_draft *d)
{
    const struct ent_describe_options *o = d->options;
    const char **names = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(d->profiles->n_columns, sizeof *names, &names));
    for (uint32_t i = 0; i < d->profiles->n_columns; i++) {
        names[i] = d->profiles->columns[i].name;
    }
    err = check_names(d, names, "exclude", o->without, o->n_without);
    if (err == ENT_E_OK) {
        err = check_names(d, names, "category", o->categories, o->n_categories);
    }
    free((void *)names);
    return err;
}

enum ent_err ent_draft_decide(struct ent_draft *draft)
{
    uint32_t features = 0;

    ENT_REQUIRE(draft->profiles->n_rows > 0, ENT_E_DATA, "%s: no rows below the header",
                draft->options->input);
    ENT_REQUIRE(draft->profiles->n_columns > 1, ENT_E_DATA,
                "%s: the header is one column, '%.80s': is the delimiter right? (--delimiter , ; "
                "or tab)",
                draft->options->input, draft->profiles->columns[0].name);
    ENT_TRY(find_label(draft));
    ENT_TRY(check_all_names(draft));
    for (uint32_t i = 0; i < draft->profiles->n_columns; i++) {
        struct ent_draft_column *c = &draft->columns[i];

        *c = (struct ent_draft_column){.profile = &draft->profiles->columns[i]};
        c->role = i == draft->label ? ENT_ROLE_LABEL : role_of(draft, c);
        features += c->role <= ENT_ROLE_DATE ? 1 : 0;
        draft->n_undated += c->role == ENT_ROLE_DATE ? c->date.n_other : 0;
        for (size_t w = 0;
             (c->role == ENT_ROLE_NUMBER || c->role == ENT_ROLE_DATE) && w < ENT_PROFILE_WORDS;
             w++) {
            draft->words[w] = draft->words[w] || c->profile->n_word[w] > 0;
        }
    }
    ENT_REQUIRE(features > 0, ENT_E_DATA, "%s has no column that could be a feature",
                draft->options->input);
    choose_unit(draft);
    return ENT_E_OK;
}
