/* entente-simulate: a whole federation on one machine, before anybody enrols. */
#include <stddef.h>

#include "client/data/csv.h"
#include "common/base/options.h"
#include "common/crypto/sha256.h"
#include "common/math/math.h"
#include "simulate/verb.h"

#define AT(member_) offsetof(struct ent_simulate_verb, member_)

static const struct ent_option options[] = {
    {"data", ENT_OPT_STRING, "FILE",
     "everybody's rows, a CSV file (.gz works too); absent: as --config says", AT(data)},
    {"more", ENT_OPT_STRING, "FILE",
     "with --data and source idx: pictures that follow those of FILE", AT(more)},
    {"config", ENT_OPT_STRING, "FILE", "a client.yaml: how the data spells what the plan says",
     AT(config)},
    {"by", ENT_OPT_STRING, "COLUMN",
     "a member for each value of this column; with --members its values instead of labels", AT(by)},
    {"iid", ENT_OPT_STRING, "N", "N members, rows dealt evenly", AT(iid)},
    {"members", ENT_OPT_STRING, "N", "N members with uneven shares of each label (--alpha)",
     AT(members)},
    {"alpha", ENT_OPT_STRING, "A",
     "of the Dirichlet distribution, 0.001 to 1000000: the smaller, the more uneven; 0.5",
     AT(alpha)},
    {"quantity", ENT_OPT_FLAG, NULL, "with --members: uneven numbers of rows, whatever their label",
     AT(quantity)},
    {"shards", ENT_OPT_STRING, "S",
     "with --members: rows in order of label, N x S equal pieces, S for each member", AT(shards)},
    {"test-rows", ENT_OPT_STRING, "FILE", "numbers of the test rows, for a plan with test: file",
     AT(test_rows)},
    {"fraction", ENT_OPT_STRING, "C", "of the members that each training round invites, above 0; 1",
     AT(fraction)},
    {"dropout", ENT_OPT_STRING, "P",
     "chance of a member to be lost in a training round, below 1; 0", AT(dropout)},
    {"rounds", ENT_OPT_STRING, "N", "instead of the plan's", AT(rounds)},
    {"seeds", ENT_OPT_STRING, "N", "repeat with the plan's seed, seed + 1, ...", AT(seeds)},
    {"compare", ENT_OPT_FLAG, NULL, "also members alone, and all rows together", AT(compare)},
    {"course", ENT_OPT_FLAG, NULL,
     "look at the test rows after each training round, which no federation does", AT(course)},
    {"each", ENT_OPT_FLAG, NULL, "with --compare: a line for each member", AT(each)},
    {"pooled", ENT_OPT_STRING, "PLAN", "with --compare: how all rows together are trained",
     AT(pooled)},
    {"sweep", ENT_OPT_STRING, "KEY=V,V", "every combination, as CSV; several keys: 'K=V,V;K=V,V'",
     AT(sweep)},
    {"threads", ENT_OPT_STRING, "N", "the result is the same with any number; all cores",
     AT(threads)},
    {"state-memory", ENT_OPT_STRING, "SIZE",
     "kept optimizer state beyond it goes to a temporary file; 1GiB", AT(state_memory)},
    {"output", ENT_OPT_STRING, "FILE", "write the (first seed's) best model", AT(output)},
    {"json", ENT_OPT_FLAG, NULL, "one JSON object instead of text", AT(json)},
    {"quiet", ENT_OPT_FLAG, NULL, "no line a round", AT(quiet)},
    {NULL, ENT_OPT_FLAG, NULL, NULL, 0}};

static const struct ent_verb verbs[] = {
    {"", "Train a plan in a federation made of one CSV, and compare", "PLAN", 1, 1,
     "entente-simulate plan.yaml --data bank.csv.gz --by job --compare --seeds 5", options,
     sizeof(struct ent_simulate_verb), ent_verb_simulate},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, 0, NULL}};

static const struct ent_program program = {
    "entente-simulate", "tries a federation on one machine, before anybody enrols", verbs};

int main(int argc, char **argv)
{
    ent_version_add(ent_crypto_library());
    ent_version_add(ent_csv_library());
    ent_version_add(ent_math_blas_text());
    return ent_program_run(&program, argc, argv);
}
