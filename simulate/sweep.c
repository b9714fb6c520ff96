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
    double min;
    double max;
};

#define AT(member_) offsetof(struct ent_plan, member_)

/* min of a REAL is legal unless the optimizer's own check says otherwise. */
static const struct setting settings[] = {
    {"train.lr", REAL, AT(optimizer.hyper.rate), 0.0, 1e6},
    {"train.momentum", REAL, AT(optimizer.hyper.momentum), 0.0, 1.0},
    {"train.weight_decay", REAL, AT(optimizer.hyper.weight_decay), 0.0, 1e3},
    {"train.rounds", COUNT, AT(rounds), 1, 100000},
    {"train.epochs", COUNT, AT(epochs), 1, 1000},
    {"train.batch", COUNT, AT(batch), 0, 1048576},
    {"train.clip_norm", REAL, AT(clip_norm), 0.0, 1e9},
    {"train.proximal", REAL, AT(proximal), 0.0, 1e6},
    {"train.patience", COUNT, AT(patience), 0, 100000},
    {"server.rate", REAL, AT(server.hyper.rate), 0.0, 1e6},
    {"server.momentum", REAL, AT(server.hyper.momentum), 0.0, 1.0},
    {"server.tau", REAL, AT(server.hyper.tau), 0.0, 1e6},
};
#define N_SETTINGS ENT_ARRAY_LEN(settings)

static enum ent_err find(const char *text, size_t len, size_t *out)
{
    const char *names[N_SETTINGS];
    char word[64];
    const char *near;

    for (size_t i = 0; i < N_SETTINGS; i++) {
        names[i] = settings[i].name;
        if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0) {
            *out = i;
            return ENT_E_OK;
        }
    }
    (void)snprintf(word, sizeof word, "%.*s", (int)(len < 63 ? len : 63), text);
    near = ent_nearest(word, names, N_SETTINGS);
    return ent_err_note(
        ENT_E_USAGE,
        "--sweep: nothing is called '%s'%s%s; there is train.lr, .momentum, .weight_decay, "
        ".rounds, .epochs, .batch, .clip_norm, .proximal, .patience and server.rate, .momentum, "
        ".tau",
        word, near != NULL ? ", did you mean " : "", near != NULL ? near : "");
}

static enum ent_err take_value(const char *text, size_t len, struct ent_sweep_axis *axis)
{
    const struct setting *s = &settings[axis->setting];
    double v = 0.0;

    ENT_REQUIRE(ent_scalar_double(text, len, &v) && v >= s->min && v <= s->max &&
                    (s->kind == REAL || !(v < floor(v) || v > floor(v))),
                ENT_E_USAGE, "--sweep: %s takes %s from %g to %g, not '%.*s'", s->name,
                s->kind == COUNT ? "whole numbers" : "numbers", s->min, s->max, (int)len, text);
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

enum ent_err ent_sweep_parse(const char *text, struct ent_sweep *out)
{
    struct ent_sweep sweep = {0};

    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, "; ");

        if (len > 0) {
            ENT_REQUIRE(sweep.n < ENT_SWEEP_KEYS_MAX, ENT_E_USAGE, "--sweep: more than %d keys",
                        ENT_SWEEP_KEYS_MAX);
            ENT_TRY(take_axis(p, len, &sweep.axes[sweep.n]));
            sweep.n++;
        }
        p += len + (p[len] != '\0' ? 1 : 0);
    }
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

enum ent_err ent_sweep_apply(const struct ent_sweep *sweep, uint64_t i, struct ent_plan *plan)
{
    for (uint32_t a = 0; a < sweep->n; a++) {
        const struct setting *s = &settings[sweep->axes[a].setting];
        double v = ent_sweep_value(sweep, i, a);
        uint32_t whole = (uint32_t)v;
        uint8_t *at = (uint8_t *)plan + s->offset;

        if (s->kind == COUNT) {
            memcpy(at, &whole, sizeof whole);
        } else {
            memcpy(at, &v, sizeof v);
        }
    }
    ENT_TRY(plan->optimizer.optim->check(&plan->optimizer.hyper));
    return plan->server.optim->check(&plan->server.hyper);
}
