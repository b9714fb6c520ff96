#include "simulate/sweep.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/options.h"
#include "common/config/scalar.h"

enum kind { REAL, COUNT };

struct setting {
    const char *name;
    enum kind kind;
    size_t offset;
    double lo; /* the plan's own ranges */
    double hi;
    bool above_lo;
    bool below_hi;
    const char *of; /* optimizers that know it, each between two blanks; NULL: all */
};

#define AT(member_) offsetof(struct ent_plan, member_)

static const struct setting settings[] = {
    {"train.lr", REAL, AT(optimizer.hyper.rate), 0, 10, true, false, NULL},
    {"train.momentum", REAL, AT(optimizer.hyper.momentum), 0, 1, false, true, " sgd "},
    {"train.beta1", REAL, AT(optimizer.hyper.beta1), 0, 1, false, true, " adam adamw "},
    {"train.beta2", REAL, AT(optimizer.hyper.beta2), 0, 1, false, true, " adam adamw "},
    {"train.weight_decay", REAL, AT(optimizer.hyper.weight_decay), 0, 10, false, false,
     " sgd adamw "},
    {"train.rounds", COUNT, AT(rounds), 1, ENT_SWEEP_ROUNDS_MAX, false, false, NULL},
    {"train.epochs", COUNT, AT(epochs), 1, 1000, false, false, NULL},
    {"train.batch", COUNT, AT(batch), 1, 1000000, false, false, NULL},
    {"train.clip", REAL, AT(clip_norm), 0, 1e9, false, false, NULL},
    {"train.proximal", REAL, AT(proximal), 0, 1000, false, false, NULL},
    {"train.patience", COUNT, AT(patience), 0, 100000, false, false, NULL},
    {"server.rate", REAL, AT(server.hyper.rate), 0, 100, true, false, NULL},
    {"server.momentum", REAL, AT(server.hyper.momentum), 0, 1, false, true, " momentum "},
    {"server.beta1", REAL, AT(server.hyper.beta1), 0, 1, false, true, " fedadam "},
    {"server.beta2", REAL, AT(server.hyper.beta2), 0, 1, false, true, " fedadam "},
    {"server.tau", REAL, AT(server.hyper.tau), 1e-9, 1, false, false, " fedadam "},
    {"privacy.epsilon", REAL, AT(privacy.epsilon), 1e-3, 100, false, false, NULL},
    {"privacy.clip", REAL, AT(privacy.clip), 1e-6, 1e6, false, false, NULL},
};
#define N_SETTINGS ENT_ARRAY_LEN(settings)
#define NAME_BYTES 64
#define NAMES_BYTES 512

/* All names, divided by commas. */
static void list_names(char out[NAMES_BYTES])
{
    size_t at = 0;

    for (size_t i = 0; i < N_SETTINGS; i++) {
        int n = snprintf(out + at, NAMES_BYTES - at, "%s%s", i > 0 ? ", " : "", settings[i].name);

        at += n > 0 ? (size_t)n : 0;
        ENT_BUG_ON(at >= NAMES_BYTES);
    }
}

static enum ent_err find(const char *text, size_t len, size_t *out)
{
    const char *names[N_SETTINGS];
    char list[NAMES_BYTES];
    char word[NAME_BYTES];
    const char *near;

    for (size_t i = 0; i < N_SETTINGS; i++) {
        names[i] = settings[i].name;
        if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0) {
            *out = i;
            return ENT_E_OK;
        }
    }
    (void)snprintf(word, sizeof word, "%.*s", (int)(len < NAME_BYTES ? len : NAME_BYTES - 1), text);
    near = ent_nearest(word, names, N_SETTINGS);
    list_names(list);
    return ent_err_note(ENT_E_USAGE, "--sweep: nothing is called '%s'%s%s; there is %s", word,
                        near != NULL ? ", did you mean " : "", near != NULL ? near : "", list);
}

static bool is_legal(const struct setting *s, double v)
{
    bool in_range =
        v >= s->lo && v <= s->hi && (!s->above_lo || v > s->lo) && (!s->below_hi || v < s->hi);

    return in_range && (s->kind == REAL || !(v < floor(v) || v > floor(v)));
}

static enum ent_err take_value(const char *text, size_t len, struct ent_sweep_axis *axis)
{
    const struct setting *s = &settings[axis->setting];
    double v = 0.0;

    ENT_REQUIRE(ent_scalar_double(text, len, &v) && is_legal(s, v), ENT_E_USAGE,
                "--sweep: %s takes %s %s %.10g %s %.10g, not '%.*s'", s->name,
                s->kind == COUNT ? "whole numbers" : "numbers", s->above_lo ? "above" : "from",
                s->lo,
                s->below_hi   ? "to below"
                : s->above_lo ? "and at most"
                              : "to",
                s->hi, (int)(len < NAME_BYTES ? len : NAME_BYTES), text);
    ENT_REQUIRE(axis->n < ENT_SWEEP_VALUES_MAX, ENT_E_USAGE, "--sweep: more than %d values of %s",
                ENT_SWEEP_VALUES_MAX, s->name);
    axis->values[axis->n++] = v;
    return ENT_E_OK;
}

static enum ent_err take_axis(const char *text, size_t len, struct ent_sweep_axis *axis)
{
    const char *equals = memchr(text, '=', len);
    const char *p;
    const char *end = text + len;

    ENT_REQUIRE(equals != NULL, ENT_E_USAGE, "--sweep: '%.*s' is not KEY=VALUE,VALUE", (int)len,
                text);
    ENT_TRY(find(text, (size_t)(equals - text), &axis->setting));
    for (p = equals + 1; p <= end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma != NULL ? comma : end;

        ENT_TRY(take_value(p, (size_t)(stop - p), axis));
        p = stop + 1;
    }
    return ENT_E_OK;
}

/* The axis behind the last one is the newest. */
static enum ent_err refuse_repeat(const struct ent_sweep *sweep)
{
    size_t setting = sweep->axes[sweep->n].setting;

    for (uint32_t a = 0; a < sweep->n; a++) {
        ENT_REQUIRE(sweep->axes[a].setting != setting, ENT_E_USAGE,
                    "--sweep: %s stands there twice; list its values behind one '='",
                    settings[setting].name);
    }
    return ENT_E_OK;
}

enum ent_err ent_sweep_parse(const char *text, struct ent_sweep *out)
{
    struct ent_sweep sweep = {0};

    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, "; ");

        if (len > 0) {
            ENT_REQUIRE(sweep.n < ENT_SWEEP_KEYS_MAX, ENT_E_USAGE, "--sweep: more than %d keys",
                        ENT_SWEEP_KEYS_MAX);
            ENT_TRY(take_axis(p, len, &sweep.axes[sweep.n]));
            ENT_TRY(refuse_repeat(&sweep));
            sweep.n++;
        }
        p += len + (p[len] != '\0' ? 1 : 0);
    }
    ENT_REQUIRE(sweep.n > 0, ENT_E_USAGE,
                "--sweep: nothing to vary: KEY=VALUE,VALUE, such as train.lr=0.1,0.01");
    *out = sweep;
    return ENT_E_OK;
}

uint64_t ent_sweep_combinations(const struct ent_sweep *sweep)
{
    uint64_t n = 1; /* at most 64^8: fits */

    for (uint32_t a = 0; a < sweep->n; a++) {
        n *= sweep->axes[a].n;
    }
    return n;
}

const char *ent_sweep_name(const struct ent_sweep *sweep, uint32_t axis)
{
    return settings[sweep->axes[axis].setting].name;
}

double ent_sweep_value(const struct ent_sweep *sweep, uint64_t i, uint32_t axis)
{
    for (uint32_t a = sweep->n - 1; a > axis; a--) {
        i /= sweep->axes[a].n;
    }
    return sweep->axes[axis].values[i % sweep->axes[axis].n];
}

/* A setting that the plan's optimizer does not know would change nothing, in silence. */
static enum ent_err check_owner(const struct setting *s, const struct ent_plan *plan)
{
    static const char *const replaced[] = {"train.epochs", "train.batch", "train.clip"};
    bool server = s->name[0] == 's';
    const char *name = server ? plan->server.optim->name : plan->optimizer.optim->name;
    char word[NAME_BYTES];

    ENT_REQUIRE(s->name[0] != 'p' || plan->privacy.unit != ENT_PRIVACY_NONE, ENT_E_USAGE,
                "--sweep: %s: the plan has no privacy", s->name);
    for (size_t i = 0; i < ENT_ARRAY_LEN(replaced); i++) {
        ENT_REQUIRE(plan->privacy.unit != ENT_PRIVACY_CUSTOMER || strcmp(s->name, replaced[i]) != 0,
                    ENT_E_USAGE,
                    "--sweep: %s: under privacy of unit customer rate, steps and clip of `privacy` "
                    "stand in its place",
                    s->name);
    }
    (void)snprintf(word, sizeof word, " %s ", name);
    ENT_REQUIRE(s->of == NULL || strstr(s->of, word) != NULL, ENT_E_USAGE,
                "--sweep: %s: the plan's %s is %s, which has no such setting (it belongs to%.*s)",
                s->name, server ? "aggregation.optimizer" : "training.optimizer", name,
                (int)strlen(s->of) - 1, s->of);
    return ENT_E_OK;
}

enum ent_err ent_sweep_apply(const struct ent_sweep *sweep, uint64_t i, struct ent_plan *plan)
{
    for (uint32_t a = 0; a < sweep->n; a++) {
        const struct setting *s = &settings[sweep->axes[a].setting];
        double v = ent_sweep_value(sweep, i, a);
        uint32_t whole = (uint32_t)v;
        uint8_t *at = (uint8_t *)plan + s->offset;

        ENT_TRY(check_owner(s, plan));
        if (s->kind == COUNT) {
            memcpy(at, &whole, sizeof whole);
        } else {
            memcpy(at, &v, sizeof v);
        }
    }
    ENT_REQUIRE(plan->patience == 0 || plan->split_validation > 0.0, ENT_E_USAGE,
                "--sweep: train.patience looks at validation rows, but the plan's split.validation "
                "is 0");
    if (plan->privacy.unit != ENT_PRIVACY_NONE) {
        struct ent_plan_noise noise; /* whether there is one, on the grid that the plan has */

        ENT_TRY(ent_plan_privacy_derive(plan, &noise));
    }
    ENT_TRY(plan->optimizer.optim->check(&plan->optimizer.hyper));
    return plan->server.optim->check(&plan->server.hyper);
}
