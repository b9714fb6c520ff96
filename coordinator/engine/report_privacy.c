/* What a status says of a run's privacy, in words. */
#include <math.h>
#include <string.h>

#include "coordinator/engine/report.h"
#include "coordinator/engine/report_read.h"

/* Who adds it, and who could notice if it were not added. */
static void report_noise(const struct ent_json *privacy, FILE *out)
{
    uint64_t auditors = number(privacy, "seed_sealed_to");

    if (strcmp(text(privacy, "noise_at"), "coordinator") != 0) {
        return;
    }
    (void)fprintf(out, "  noise: added here, once, to the sum of each training round; members and "
                       "whoever gets a model see only sums that have it; this coordinator, and "
                       "auditors to whom updates are sealed, see updates without\n");
    if (ent_json_get(privacy, "seed_sealed_to") == NULL) {
        return;
    }
    if (auditors > 0) {
        (void)fprintf(out, "  its seeds are sealed to %llu %s, who can prove it by replay\n",
                      (unsigned long long)auditors, auditors == 1 ? "auditor" : "auditors");
    } else {
        (void)fprintf(out, "  warning: no auditor is admitted, so nobody can prove that the noise "
                           "was really drawn and added\n");
    }
}

/* What each member's account holds, and what no noise covers. */
void ent_report_privacy(const struct ent_json *run, FILE *out)
{
    const struct ent_json *privacy = ent_json_get(run, "privacy");
    const struct ent_json *accounts = ent_json_get(privacy, "accounts");
    const struct ent_json *open = ent_json_get(privacy, "not_covered");

    if (privacy == NULL) {
        return;
    }
    (void)fprintf(out, "privacy of a %s: at most epsilon %g at delta %g", text(privacy, "unit"),
                  real(privacy, "epsilon"), real(privacy, "delta"));
    if (ent_json_get(privacy, "rounds_left") != NULL) {
        (void)fprintf(out, "; %llu rounds of training left",
                      (unsigned long long)number(privacy, "rounds_left"));
    }
    (void)fprintf(out, "\n");
    report_noise(privacy, out);
    for (size_t i = 0; i < ent_json_len(accounts); i++) {
        const struct ent_json *a = ent_json_at(accounts, i);

        (void)fprintf(out, "  %s: epsilon %.4g of %g, %llu rounds booked", text(a, "member"),
                      real(a, "epsilon"), real(a, "limit"),
                      (unsigned long long)number(a, "rounds_booked"));
        if (ent_json_get(a, "rounds_left") != NULL) {
            (void)fprintf(out, ", %llu left", (unsigned long long)number(a, "rounds_left"));
        }
        (void)fprintf(out, "\n");
    }
    for (size_t i = 0; i < ent_json_len(open); i++) {
        const char *what = "";

        if (ent_json_string(ent_json_at(open, i), "release", &what) == ENT_E_OK) {
            (void)fprintf(out, "  not covered by noise: %s\n", what);
        }
    }
}
