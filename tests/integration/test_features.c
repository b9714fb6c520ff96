/* A federation whose columns are encoded by what its members' sums say: edges, a vocabulary. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/model/modelfile.h"
#include "tests/integration/laws.h"
#include "tests/integration/oracle.h"
#include "tests/integration/record.h"
#include "tests/support/ent_test.h"

#define MEMBERS 3
#define ROUNDS 2

/* Of the four jobs each member has three, and only "pilot" is with all of them (enrolled.c). */
static const char plan[] =
    "salt: pepper\n"
    "features:\n"
    "  - {name: age, type: number, range: [18, 95], encode: ple, bins: 6}\n"
    "  - {name: job, type: category, vocabulary: {bits: 10, size: 5, min_customers: 10, "
    "min_members: "
    "3}}\n"
    "  - {name: id, type: category, hashed: {bits: 3}}\n"
    "  - {name: loan, type: boolean}\n"
    "min_group: 1\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 42, validation: 0.2, test: 0.2}\n"
    "model: {layers: [{dense: 4}, relu, {dense: 1}], loss: bce}\n"
    "training: {rounds: 2, epochs: 1, batch: 16, optimizer: {sgd: {rate: 0.1}}, seed: 3}\n"
    "aggregation: {min_members: 3}\n";

static bool holds(const uint8_t *bytes, size_t len, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= len; i++) {
        if (memcmp(bytes + i, word, n) == 0) {
            return true;
        }
    }
    return false;
}

/* No value of a hashed column in what members sent or in what the coordinator made of it. */
static void check_no_string(const struct box *box)
{
    static const char *const words[] = {"pilot", "nurse", "admin", "smith"};
    const struct box_record *rec = box->record;

    for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
        for (size_t i = 0; i < rec->n_payloads; i++) {
            CU_ASSERT_FALSE(holds(rec->payloads[i].bytes, rec->payloads[i].len, words[w]));
        }
        for (size_t i = 0; i < rec->n_models; i++) {
            CU_ASSERT_FALSE(holds(rec->models[i].bytes, rec->models[i].len, words[w]));
        }
        for (size_t i = 0; i < rec->n_offers; i++) {
            CU_ASSERT_FALSE(holds(rec->offers[i].body, rec->offers[i].len, words[w]));
        }
    }
    CU_ASSERT(rec->n_payloads >= MEMBERS * (1 + ROUNDS) && rec->n_models >= 1 + ROUNDS);
}

static void check_models(const struct box *box)
{
    const struct box_record *rec = box->record;

    for (size_t i = 0; i < rec->n_models; i++) {
        struct ent_modelfile *file = NULL;
        struct ent_blob *blob = NULL;

        ENT_OK(ent_blob_new_copy(rec->models[i].bytes, rec->models[i].len, &blob));
        ENT_OK(ent_modelfile_read(blob, &file));
        CU_ASSERT_EQUAL(file->info.n_inputs, 12 + 6 + 9 + 2);
        CU_ASSERT(file->info.fits[0].n_edges >= 7 && file->info.fits[0].n_edges <= 13);
        CU_ASSERT_EQUAL(file->info.fits[1].n_buckets, 1);
        ent_modelfile_free(file);
        ent_blob_unref(blob);
    }
}

ENT_TEST(features, edges_and_vocabulary_of_a_federation)
{
    struct box box;

    box_new(&box, 5, MEMBERS);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        box_start_member(&box, i);
    }
    box_start_engine(&box);
    box_start_run(&box, plan, NULL);
    CU_ASSERT_TRUE(box_run(&box, box_run_over, 600000));
    CU_ASSERT_EQUAL(oracle_check(&box, plan), ROUNDS);
    laws_of_rows(&box, MEMBERS);
    laws_of_members(&box);
    if (box.broken) {
        printf("\nlaw %c: %s\n", box.law, box.text);
    }
    CU_ASSERT_FALSE_FATAL(box.broken);
    check_no_string(&box);
    check_models(&box);
    box_free(&box);
}
