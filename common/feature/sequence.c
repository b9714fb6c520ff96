#include "common/feature/sequence.h"

#include <string.h>

#include "common/feature/date.h"

const char *const ent_sequence_keep_names[] = {"last", "first", "all", NULL};
const char *const ent_sequence_label_names[] = {"none", "next", "later", NULL};

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool ent_sequence_same(const struct ent_sequence *a, const struct ent_sequence *b)
{
    if (a->unit == NULL || b->unit == NULL) {
        return a->unit == b->unit;
    }
    if (strcmp(a->unit, b->unit) != 0 || a->n_times != b->n_times ||
        !same_text(a->format, b->format)) {
        return false;
    }
    for (uint32_t i = 0; i < a->n_times; i++) {
        if (strcmp(a->times[i], b->times[i]) != 0) {
            return false;
        }
    }
    return a->length == b->length && a->keep == b->keep && a->gap_s == b->gap_s &&
           a->label == b->label && a->next == b->next && a->per_step == b->per_step &&
           a->from_s == b->from_s && a->until_s == b->until_s;
}

enum ent_err ent_sequence_check(const struct ent_sequence *s)
{
    const char *why;

    ENT_REQUIRE(s->unit != NULL && s->unit[0] != '\0', ENT_E_CONFIG, "sequences need a unit");
    ENT_REQUIRE(s->n_times >= 1 && s->n_times <= ENT_SEQUENCE_TIMES_MAX, ENT_E_CONFIG,
                "sequences need 1 to %d columns of time", ENT_SEQUENCE_TIMES_MAX);
    ENT_REQUIRE(s->format == NULL || s->n_times == 1, ENT_E_CONFIG,
                "a time with a format is one column");
    ENT_REQUIRE(s->format == NULL || ent_date_format_ok(s->format, &why), ENT_E_CONFIG,
                "the time's format %s", why);
    ENT_REQUIRE(s->length >= 1, ENT_E_CONFIG, "a sequence has at least one event");
    ENT_REQUIRE(
        s->label != ENT_SEQUENCE_NEXT || s->length >= 2, ENT_E_CONFIG,
        "length is %u: what comes next is the last event of a sequence, behind one that the "
        "model sees; it needs at least 2",
        (unsigned)s->length);
    ENT_REQUIRE(s->format != NULL || (s->gap_s == 0 && s->label != ENT_SEQUENCE_LATER),
                ENT_E_CONFIG,
                "pauses and later windows are measured in seconds: the time needs a format");
    ENT_REQUIRE(s->label != ENT_SEQUENCE_LATER || s->from_s < s->until_s, ENT_E_CONFIG,
                "the label's window is empty");
    return ENT_E_OK;
}
