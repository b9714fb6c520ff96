/* What is damaged in the log is found at the start, named, and what to do is said. */
#include <stdio.h>
#include <string.h>

#include "coordinator/store/tables.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_store/make.h"
#include "tests/unit/coordinator_store/make_log.h"

static const char unlock[] = "DROP TRIGGER leaf_update; DROP TRIGGER leaf_delete;"
                             "DROP TRIGGER node_update; DROP TRIGGER node_delete;"
                             "PRAGMA foreign_keys=OFF;";

struct damage {
    const char *sql;
    const char *says; /* in the message */
};

/* A log of 21 leaves with notes of size 5, 13 and 21. */
static struct ent_store *with_notes(const char **dir)
{
    struct ent_store *store = make_log(dir, 5);

    ENT_OK(log_put_note(store));
    ENT_OK(log_add_many(store, 100, 8));
    ENT_OK(log_put_note(store));
    ENT_OK(log_add_many(store, 200, 8));
    ENT_OK(log_put_note(store));
    return store;
}

ENT_TEST(log_verify, every_damage_is_found_and_named)
{
    static const struct damage table[] = {
        {"UPDATE leaf SET body = CAST(substr(body, 1, length(body) - 1) || x'ff' AS BLOB)"
         " WHERE idx = 7",
         "leaf 7 is not what its hash says"},
        {"UPDATE leaf SET hash = zeroblob(32) WHERE idx = 0", "leaf 0 is not what its hash says"},
        {"DELETE FROM leaf WHERE idx = 20", "a note was signed for 21"},
        {"DELETE FROM ckpt; DELETE FROM leaf WHERE idx = 20", "head of 21"},
        {"DELETE FROM leaf WHERE idx = 3", "leaf 3 is missing"},
        {"DELETE FROM leaf WHERE idx = 0", "leaf 0 is missing"},
        {"DELETE FROM leaf", "leaf 0 is missing"},
        {"UPDATE leaf SET type = 1 WHERE idx = 4", "leaf 4 stands where another belongs"},
        {"UPDATE leaf SET run = 9 WHERE idx = 4", "leaf 4 stands where another belongs"},
        {"INSERT INTO leaf SELECT 21, type, run, round, hash, body FROM leaf WHERE idx = 20",
         "leaf 21 stands where another belongs"},
        {"UPDATE leaf SET (hash, body) = (SELECT hash, body FROM leaf WHERE idx = 8) WHERE idx = 9",
         "leaf 9 stands where another belongs"},
        {"UPDATE node SET hash = zeroblob(32) WHERE level = 2 AND idx = 1",
         "node 2/1 does not follow"},
        {"DELETE FROM node WHERE level = 1 AND idx = 4", "node 1/4 is missing"},
        {"INSERT INTO node VALUES(1, 10, zeroblob(32))", "nodes"},
        {"INSERT INTO node VALUES(9, 0, zeroblob(32))", "nodes"},
        {"UPDATE ckpt SET root = zeroblob(32) WHERE size = 13", "root that was signed"},
        {"UPDATE ckpt SET note = (SELECT note FROM ckpt WHERE size = 5) WHERE size = 13",
         "note of size 13 is damaged"},
        {"UPDATE ckpt SET note = CAST(substr(note, 1, length(note) - 9) || 'AAAAAA==' || x'0a'"
         " AS BLOB) WHERE size = 5",
         "note of size 5 is damaged"},
        {"UPDATE ckpt SET note = x'00' WHERE size = 21", "note of size 21 is damaged"},
        {"UPDATE ckpt SET size = 22 WHERE size = 21", "a note was signed for 22"},
        {"UPDATE head SET size = 20", "head of 20"},
        {"UPDATE head SET root = zeroblob(32)", "head of 21"},
        {"UPDATE head SET time_ms = 5", "head of 21"},
        {"UPDATE head SET log_key = 5", "log key"},
        {"DELETE FROM head", "lost its head"},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *dir = NULL;
        struct ent_store *store = with_notes(&dir);
        enum ent_err err;

        ENT_OK(ent_store_log_verify(store));
        ENT_OK(ent_db_exec(store->db, unlock));
        ENT_OK(ent_db_exec(store->db, table[i].sql));
        ent_store_close(store);
        store = NULL;
        err = ent_store_open(dir, &store);
        if (err != ENT_E_CORRUPT || strstr(ent_err_message(), table[i].says) == NULL) {
            (void)fprintf(stderr, "%s: %s: %s\n", table[i].sql, ent_err_name(err),
                          ent_err_message());
        }
        CU_ASSERT_EQUAL(err, ENT_E_CORRUPT);
        CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), table[i].says));
        CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "recover"));
        ent_store_close(store);
    }
}

/* Whoever rewrites a leaf with its hash, all nodes and the head is found by the notes. */
ENT_TEST(log_verify, a_log_made_anew_is_found_by_its_notes)
{
    const char *dir = NULL;
    struct ent_store *store = with_notes(&dir);
    struct ent_store *other = make_log(NULL, 5);
    struct ent_buf sql;
    const char *text = NULL;

    ENT_OK(log_add_many(other, 101, 16)); /* 5 ... 20 say other things */
    ent_buf_init(&sql, 10000);
    ENT_OK(ent_buf_addf(&sql,
                        "ATTACH '%s' AS o; DELETE FROM leaf; DELETE FROM node; DELETE FROM head;"
                        "INSERT INTO leaf SELECT * FROM o.leaf;"
                        "INSERT INTO node SELECT * FROM o.node;"
                        "INSERT INTO head SELECT * FROM o.head; DETACH o",
                        ent_db_path(other->db)));
    ENT_OK(ent_buf_str(&sql, &text));
    ENT_OK(ent_db_exec(store->db, unlock));
    ENT_OK(ent_db_exec(store->db, text));
    ent_store_close(store);
    ENT_FAILS(ent_store_open(dir, &store), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "first 13 leaves"));
    ent_store_close(other);
    ent_buf_release(&sql);
}

/* Leaves that are written as they should be, but say what no leaf there may say. */
ENT_TEST(log_verify, leaves_of_another_time_and_federation)
{
    const char *dir = NULL;
    struct ent_store *store = make_log(&dir, 4);

    store->log.time_ms = 0;
    ENT_OK(log_add(store, 9, NOW - 10));
    ent_store_close(store);
    ENT_FAILS(ent_store_open(dir, &store), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "leaf 4 is older"));

    store = make_log(&dir, 4);
    store->identity.federation[3] ^= 1;
    ENT_OK(log_add(store, 9, NOW));
    ent_store_close(store);
    ENT_FAILS(ent_store_open(dir, &store), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "leaf 4 is of another federation"));
}
