#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/db/db.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_store/make.h"
#include "tests/unit/coordinator_store/make_log.h"

/* What the audit log brought. */
static const char log_off[] =
    "DROP TABLE cosig; DROP TABLE ckpt; DROP TABLE leaf; DROP TABLE node; DROP TABLE head;"
    "DROP TABLE sealed; DROP TABLE witness_set; DROP TABLE witness_agreed; DROP TABLE auditor;"
    "ALTER TABLE member DROP COLUMN name_salt;";

/* A database as it was one schema ago, or (`far`) four: what they added is taken off again. */
static void set_back(const char *dir, bool far)
{
    static const char *const migrations[] = {"", "", "", "", "", "", "", "", ""};
    const struct ent_db_schema schema = {0x456e7443, migrations, 9};
    struct ent_db *db = NULL;
    char *path = NULL;

    ENT_OK(ent_path_join(dir, "federation.db", &path));
    ENT_OK(ent_db_open(path, &schema, &db));
    ENT_OK(ent_db_exec(db, "DROP TABLE noise_seed; DROP TABLE dp_account; DROP TABLE dp_event;"
                           "ALTER TABLE run DROP COLUMN no_stats;"));
    ENT_OK(ent_db_exec(db, log_off));
    ENT_OK(ent_db_exec(db, far ? "DROP INDEX event_model;"
                                 "DROP INDEX event_state;"
                                 "ALTER TABLE run DROP COLUMN patience;"
                                 "ALTER TABLE run DROP COLUMN best_by;"
                                 "ALTER TABLE run DROP COLUMN best_train;"
                                 "ALTER TABLE event DROP COLUMN state;"
                                 "ALTER TABLE event DROP COLUMN auc;"
                                 "ALTER TABLE event DROP COLUMN best_train;"
                                 "ALTER TABLE figures DROP COLUMN sum;"
                                 "DROP TABLE own;"
                                 "PRAGMA user_version = 2"
                               : "PRAGMA user_version = 5"));
    ent_db_close(db);
    free(path);
}

ENT_TEST(store, a_database_of_the_schema_before_goes_on)
{
    const char *dir = NULL;
    struct ent_store *store = make_store(&dir);
    struct ent_store_run *runs = NULL;
    struct ent_store_figures f = {.run = 1,
                                  .round = 3,
                                  .attempt = 1,
                                  .task = ENT_ROUND_EVALUATE,
                                  .split = ENT_ROUND_ON_TEST,
                                  .has_metrics = true,
                                  .auc = 0.75,
                                  .log_loss = 0.5,
                                  .rows = 10,
                                  .positives = 4};
    struct ent_store_figures *figures = NULL;
    struct ent_buf sum;
    size_t n = 0;

    f.run = make_run(store);
    ENT_OK(ent_store_put_figures(store, &f));
    ent_store_close(store);
    set_back(dir, true);
    ENT_OK(ent_store_open(dir, &store));
    ENT_OK(ent_store_run_list(store, &runs, &n));
    CU_ASSERT_EQUAL_FATAL(n, 1);
    CU_ASSERT_EQUAL(runs[0].config.patience, 0);
    CU_ASSERT_EQUAL(runs[0].config.best_by, ENT_ROUND_BEST_BY_LOSS);
    CU_ASSERT_EQUAL(runs[0].best_train, 0);
    CU_ASSERT_FALSE(runs[0].config.no_stats);
    free(runs);
    ENT_OK(ent_store_figures(store, f.run, &figures, &n));
    CU_ASSERT_EQUAL_FATAL(n, 1);
    CU_ASSERT(figures[0].has_metrics && figures[0].auc == 0.75 && figures[0].rows == 10);
    free(figures);
    ent_buf_init(&sum, 1000);
    ENT_FAILS(ent_store_figures_sum(store, f.run, f.round, &sum), ENT_E_NOT_FOUND);
    ent_buf_release(&sum);
    ent_store_close(store);
}

/* It opens, and has no log: whoever needs one says so. */
ENT_TEST(store, a_database_from_before_the_audit_log_has_none)
{
    const char *dir = NULL;
    struct ent_store *store = make_store(&dir);
    struct ent_store_member m;
    uint8_t salt[32];
    uint8_t root[32];
    uint64_t size = 1;

    (void)make_member(store, "brand-a", 1);
    ent_store_close(store);
    set_back(dir, false);
    ENT_OK(ent_store_open(dir, &store));
    ENT_OK(ent_store_log_head(store, &size, root));
    CU_ASSERT_EQUAL(size, 0);
    ENT_OK(ent_store_log_verify(store));
    ENT_FAILS(log_add(store, 1, NOW), ENT_E_CORRUPT);
    ENT_OK(ent_store_find_name(store, "brand-a", &m));
    ENT_OK(ent_store_name_salt(store, m.handle, salt));
    CU_ASSERT(!ent_all_zero(salt, sizeof salt));
    ent_store_close(store);
    ENT_OK(ent_store_open_readonly(dir, &store));
    ENT_OK(ent_store_log_size(store, &size));
    CU_ASSERT_EQUAL(size, 0);
    ent_store_close(store);
}
