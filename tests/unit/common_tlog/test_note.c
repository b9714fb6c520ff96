/* Keys, notes, cosignatures: round trips, limits, and what must be refused. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/ent_test.h"
#include "tests/unit/common_tlog/made.h"

ENT_TEST(vkey, round_trip_and_negatives)
{
    static const struct {
        const char *text;
        enum ent_err err;
    } bad[] = {
        {"", ENT_E_DATA},
        {"log.example", ENT_E_DATA},
        {"log.example+", ENT_E_DATA},
        {"log.example+12345678", ENT_E_DATA},
        {"log.example+12345678+", ENT_E_DATA},
        {"+12345678+AAAA", ENT_E_UNSUPPORTED},             /* type 0 */
        {"log.example+1234567+AZ3K90c3mY0b", ENT_E_DATA},  /* seven digits */
        {"log.example+1234567G+AZ3K90c3mY0b", ENT_E_DATA}, /* no hex */
        {"log.example+12345678+AQ==", ENT_E_DATA},         /* no key */
        {"log.example+12345678+Bg==", ENT_E_UNSUPPORTED},  /* another type */
        {"log.example+12345678+A!==", ENT_E_DATA},
        {"log.example+00000000+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
         ENT_E_SIGNATURE}, /* y = 0 has small order */
        {"log.example+00000000+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
         ENT_E_SIGNATURE}, /* the neutral element */
    };
    struct made made;
    struct ent_vkey key;
    char text[ENT_VKEY_TEXT_MAX];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CU_ASSERT_EQUAL(ent_vkey_parse(bad[i].text, strlen(bad[i].text), &key), bad[i].err);
    }
    made_init(&made, 1);
    ent_vkey_format(&made.keys[0], text);
    ENT_OK(ent_vkey_parse(text, strlen(text), &key));
    CU_ASSERT(strcmp(key.name, made.keys[0].name) == 0 && key.id == made.keys[0].id &&
              key.type == ENT_VKEY_LOG);
    for (size_t i = 0; i < strlen(text); i++) { /* one character changed: never this key again */
        char was = text[i];

        text[i] = was == 'a' ? 'b' : 'a';
        CU_ASSERT(ent_vkey_parse(text, strlen(text), &key) != ENT_E_OK);
        text[i] = was;
    }
    CU_ASSERT(ent_vkey_parse(text, strlen(text) - 1, &key) != ENT_E_OK);
    made_release(&made);
}

ENT_TEST(vkey, names)
{
    static const char *const good[] = {"a", "host.example/federation", "h\xC3\xA9te.example"};
    static const char *const bad[] = {"a b",
                                      "a+b",
                                      "a\tb",
                                      "a\nb",
                                      "a\xC2\xA0"
                                      "b",
                                      "\xE3\x80\x80",
                                      "\xFF",
                                      "a\xE2\x80\x89"
                                      "b",
                                      "a\xE2\x80\xAE"
                                      "b"};
    char longest[ENT_VKEY_NAME_MAX_BYTES + 2];

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ENT_OK(ent_vkey_check_name(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ENT_FAILS(ent_vkey_check_name(bad[i], strlen(bad[i])), ENT_E_DATA);
    }
    ENT_FAILS(ent_vkey_check_name("", 0), ENT_E_DATA);
    ENT_FAILS(ent_vkey_check_name("a\0b", 3), ENT_E_DATA);
    memset(longest, 'n', sizeof longest);
    ENT_OK(ent_vkey_check_name(longest, ENT_VKEY_NAME_MAX_BYTES));
    ENT_FAILS(ent_vkey_check_name(longest, ENT_VKEY_NAME_MAX_BYTES + 1), ENT_E_LIMIT);
}

ENT_TEST(note, written_cosigned_opened)
{
    struct ent_note_opened opened;
    struct made made;

    made_init(&made, 4);
    made_note(&made, 9, 3);
    ENT_OK(ent_note_open((const char *)made.note.data, made.note.len, MADE_ORIGIN, made.keys,
                         made.n, &opened));
    CU_ASSERT(opened.checkpoint.size == 9 && opened.checkpoint.n_extensions == 0);
    CU_ASSERT(memcmp(opened.checkpoint.root, made.checkpoint.root, ENT_MERKLE_BYTES) == 0);
    CU_ASSERT(opened.verified.n_log == 1 && opened.verified.n_cosigners == 3);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(opened.verified.signers[1 + i].key, 1 + i);
        CU_ASSERT_EQUAL(opened.verified.signers[1 + i].time_s, MADE_TIME + i);
    }
    ENT_FAILS(ent_note_open((const char *)made.note.data, made.note.len, "other.example", made.keys,
                            made.n, &opened),
              ENT_E_DATA);
    /* Witnesses alone are no log. */
    ENT_FAILS(ent_note_open((const char *)made.note.data, made.note.len, MADE_ORIGIN, made.keys + 1,
                            made.n - 1, &opened),
              ENT_E_SIGNATURE);
    made_release(&made);
}

/* A key made ready gives the same answer. */
ENT_TEST(note, ready_keys)
{
    struct ent_sign_pub *ready = NULL;
    struct ent_note_opened opened;
    struct made made;

    made_init(&made, 2);
    made_note(&made, 9, 1);
    ENT_OK(ent_sign_pub_new(made.keys[0].pub, &ready));
    made.keys[0].ready = ready;
    ENT_OK(ent_note_open((const char *)made.note.data, made.note.len, NULL, made.keys, made.n,
                         &opened));
    made.note.data[strlen(MADE_ORIGIN) + 1] = '8'; /* the size */
    ENT_FAILS(ent_note_open((const char *)made.note.data, made.note.len, NULL, made.keys, made.n,
                            &opened),
              ENT_E_SIGNATURE);
    ent_sign_pub_free(ready);
    made_release(&made);
}

/* One bit turned: the note is refused, or a signature became a stranger's (its name or id changed):
 * then it says the same with fewer signers. */
ENT_TEST(note, every_bit)
{
    struct ent_note_opened opened;
    struct made made;
    size_t strangers = 0;

    made_init(&made, 3);
    made_note(&made, 9, 2);
    for (size_t bit = 0; bit < 8 * made.note.len; bit++) {
        enum ent_err err;

        made.note.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        err = ent_note_open((const char *)made.note.data, made.note.len, NULL, made.keys, made.n,
                            &opened);
        if (err == ENT_E_OK) {
            strangers++;
            CU_ASSERT(opened.verified.n_log == 1 && opened.verified.n_cosigners == 1);
            CU_ASSERT(opened.checkpoint.size == made.checkpoint.size);
            CU_ASSERT(memcmp(opened.checkpoint.root, made.checkpoint.root, ENT_MERKLE_BYTES) == 0);
        }
        made.note.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CU_ASSERT(strangers > 0);
    for (size_t len = 0; len < made.note.len; len++) { /* cut anywhere */
        if (ent_note_open((const char *)made.note.data, len, NULL, made.keys, made.n, &opened) ==
            ENT_E_OK) {
            CU_ASSERT(opened.verified.n_cosigners < 2 && opened.checkpoint.size == 9);
        }
    }
    made_release(&made);
}

ENT_TEST(note, lines)
{
    struct ent_note note;
    struct ent_buf line;
    struct made made;
    uint64_t time_s = 0;
    size_t len;

    made_init(&made, 3);
    made_note(&made, 9, 0);
    ENT_OK(ent_note_parse((const char *)made.note.data, made.note.len, &note));
    ent_buf_init(&line, ENT_NOTE_LINE_MAX_BYTES);
    ENT_OK(ent_note_cosign(&note, made.keys[1].name, made.secrets[1], 77, &line));
    ENT_OK(ent_note_check_line(&note, (char *)line.data, line.len, &made.keys[1], &time_s));
    CU_ASSERT_EQUAL(time_s, 77);
    ENT_OK(ent_note_check_line(&note, (char *)line.data, line.len - 1, &made.keys[1], &time_s));
    ENT_FAILS(ent_note_check_line(&note, (char *)line.data, line.len, &made.keys[2], &time_s),
              ENT_E_SIGNATURE);
    ENT_FAILS(ent_note_check_line(&note, (char *)line.data, line.len, &made.keys[0], &time_s),
              ENT_E_SIGNATURE);
    for (size_t i = 0; i < line.len; i++) {
        CU_ASSERT(i + 1 == line.len || ent_note_check_line(&note, (char *)line.data, i,
                                                           &made.keys[1], &time_s) != ENT_E_OK);
    }
    ENT_FAILS(ent_note_cosign(&note, made.keys[1].name, made.secrets[1], 0, &line), ENT_E_CLOCK);
    ENT_FAILS(ent_note_cosign(&note, made.keys[1].name, made.secrets[1], UINT64_MAX, &line),
              ENT_E_CLOCK);
    ENT_OK(ent_note_add_line(&made.note, (char *)line.data, line.len));
    len = made.note.len;
    ENT_OK(ent_note_add_line(&made.note, (char *)line.data, line.len - 1)); /* stands there */
    CU_ASSERT_EQUAL(made.note.len, len);
    ENT_FAILS(ent_note_add_line(&made.note, "x\n\nlog.example\n", 15), ENT_E_DATA);
    ENT_FAILS(ent_note_add_line(&made.note, "", 0), ENT_E_DATA);
    CU_ASSERT_EQUAL(made.note.len, len);
    ent_buf_release(&line);
    made_release(&made);
}

/* The log's key is changed: both sign the next note. */
ENT_TEST(note, two_log_keys)
{
    struct ent_note_opened opened;
    struct made made;

    made_init(&made, 1);
    made_init_key(&made, 1, MADE_ORIGIN, ENT_VKEY_LOG);
    made.n = 2;
    made_note(&made, 9, 0);
    ENT_OK(ent_note_sign(&made.note, MADE_ORIGIN, made.secrets[1]));
    for (size_t i = 0; i < 2; i++) {
        ENT_OK(ent_note_open((const char *)made.note.data, made.note.len, NULL, made.keys + i, 1,
                             &opened));
    }
    ENT_OK(ent_note_open((const char *)made.note.data, made.note.len, NULL, made.keys, 2, &opened));
    CU_ASSERT_EQUAL(opened.verified.n_log, 2);
    made_release(&made);
}

ENT_TEST(note, limits)
{
    struct ent_note_opened opened;
    struct ent_note note;
    struct ent_buf line;
    struct made made;
    char stranger[64];
    char *huge;

    made_init(&made, 1);
    made_note(&made, 9, 0);
    for (int i = 1; i < ENT_NOTE_SIGNATURES_MAX; i++) {
        int n = snprintf(stranger, sizeof stranger, "\xE2\x80\x94 stranger%d AAAAAAAA\n", i);

        ENT_OK(ent_note_add_line(&made.note, stranger, (size_t)n));
    }
    ENT_OK(ent_note_open((const char *)made.note.data, made.note.len, NULL, made.keys, 1, &opened));
    CU_ASSERT_EQUAL(opened.note.n_lines, ENT_NOTE_SIGNATURES_MAX);
    ENT_FAILS(ent_note_add_line(&made.note, stranger, strlen(stranger) - 5), ENT_E_DATA);
    ENT_FAILS(ent_note_add_line(&made.note, "\xE2\x80\x94 a AAAAAAAA\n", 15), ENT_E_LIMIT);
    ENT_FAILS(ent_note_sign(&made.note, MADE_ORIGIN, made.secrets[0]), ENT_E_LIMIT);
    ENT_OK(ent_buf_add(&made.note, "\xE2\x80\x94 a AAAAAAAA\n", 15));
    ENT_FAILS(ent_note_parse((const char *)made.note.data, made.note.len, &note), ENT_E_LIMIT);
    /* A stranger's long signature is read through, a note above its bound is not looked at. */
    ent_buf_init(&line, (size_t)1 << 20);
    ENT_OK(ent_buf_addf(&line, "text\n\n\xE2\x80\x94 pq.example "));
    huge = malloc(ENT_NOTE_MAX_BYTES);
    CU_ASSERT_FATAL(huge != NULL);
    memset(huge, 'A', ENT_NOTE_MAX_BYTES);
    ENT_OK(ent_buf_add(&line, huge, 8192));
    ENT_OK(ent_buf_add(&line, "\n", 1));
    ENT_OK(ent_note_parse((const char *)line.data, line.len, &note));
    line.data[line.len - 4000] = '=';
    ENT_FAILS(ent_note_parse((const char *)line.data, line.len, &note), ENT_E_DATA);
    ENT_OK(ent_buf_add(&line, huge, ENT_NOTE_MAX_BYTES));
    ENT_FAILS(ent_note_parse((const char *)line.data, line.len, &note), ENT_E_LIMIT);
    free(huge);
    ent_buf_release(&line);
    made_release(&made);
}

ENT_TEST(note, equivocation)
{
    struct made a;
    struct made b;
    bool proved = true;

    made_init(&a, 1);
    made_init(&b, 1);
    made_note(&a, 9, 0);
    b.checkpoint = a.checkpoint;
    made_note(&b, 9, 0); /* the same keys, seeds and all: the same note */
    ENT_OK(ent_note_equivocation((char *)a.note.data, a.note.len, (char *)b.note.data, b.note.len,
                                 a.keys, &proved));
    CU_ASSERT(!proved);
    b.flip = 1; /* another root of that size */
    made_note(&b, 9, 0);
    ENT_OK(ent_note_equivocation((char *)a.note.data, a.note.len, (char *)b.note.data, b.note.len,
                                 a.keys, &proved));
    CU_ASSERT(proved);
    made_note(&b, 10, 0);
    ENT_OK(ent_note_equivocation((char *)a.note.data, a.note.len, (char *)b.note.data, b.note.len,
                                 a.keys, &proved));
    CU_ASSERT(!proved);
    made_release(&a);
    made_release(&b);
}

/* Who may speak for a log: a key of type 0x01 that is named like the origin, and no other. */
ENT_TEST(note, only_its_own_log)
{
    struct ent_note_opened opened;
    struct ent_note note;
    struct ent_buf line;
    struct made made;

    made_init(&made, 1);
    made_init_key(&made, 1, "other.example", ENT_VKEY_LOG);
    made_init_key(&made, 2, MADE_ORIGIN, ENT_VKEY_COSIGNATURE);
    made_note(&made, 9, 0);
    ENT_OK(ent_note_sign(&made.note, "other.example", made.secrets[1]));
    ENT_OK(ent_note_parse((const char *)made.note.data, made.note.len, &note));
    ent_buf_init(&line, ENT_NOTE_LINE_MAX_BYTES);
    ENT_OK(ent_note_cosign(&note, MADE_ORIGIN, made.secrets[2], 5, &line));
    ENT_OK(ent_note_add_line(&made.note, (const char *)line.data, line.len));
    for (size_t i = 1; i <= 2; i++) {
        ENT_FAILS(ent_note_open((const char *)made.note.data, made.note.len, NULL, made.keys + i, 1,
                                &opened),
                  ENT_E_SIGNATURE);
    }
    ENT_OK(ent_note_open((const char *)made.note.data, made.note.len, NULL, made.keys, 3, &opened));
    CU_ASSERT(opened.verified.n_log == 2 && opened.verified.n_cosigners == 1);
    ent_buf_release(&line);
    made_release(&made);
}

#define ROOT "Tju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ=\n"

ENT_TEST(checkpoint, negatives)
{
    static const char *const bad[] = {
        "",
        "o\n",
        "o\n8\n",
        "o\n8\nTju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ=", /* no newline */
        "\n8\n" ROOT,
        "o\n\n" ROOT,
        "o\n08\n" ROOT,
        "o\n+8\n" ROOT,
        "o\n8 \n" ROOT,
        "o\n0x8\n" ROOT,
        "o\n9223372036854775808\n" ROOT,
        "o\n18446744073709551624\n" ROOT,
        "o\n0\n" ROOT,
        "o\n8\n" ROOT "\n",
        "o\n8\n" ROOT "\nmore\n",
        "o\n8\n" ROOT "more",
        "o\n8\nTju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNR=\n", /* a bit too many */
        "o\n8\nTju7H3tHjc_nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ=\n",
        "o\n8\nTju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ\n",
        "o\n8\nTju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZA==\n",
    };
    struct ent_checkpoint cp;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ENT_FAILS(ent_checkpoint_parse(bad[i], strlen(bad[i]), &cp), ENT_E_DATA);
    }
    ENT_OK(ent_checkpoint_parse("o\n9223372036854775807\n" ROOT "a\nb\n",
                                strlen("o\n9223372036854775807\n" ROOT "a\nb\n"), &cp));
    CU_ASSERT(cp.size == ENT_MERKLE_SIZE_MAX && cp.n_extensions == 2);
}

/* Base64 of a stranger is read in steps; padding at the end of one that is not the last is no base64. */
ENT_TEST(note, padding_between_steps)
{
    char base64[2049];
    struct ent_note note;
    struct ent_buf buf;

    memset(base64, 'A', sizeof base64 - 1);
    base64[sizeof base64 - 1] = '\0';
    ent_buf_init(&buf, ENT_NOTE_MAX_BYTES);
    ENT_OK(ent_buf_addf(&buf, "text\n\n\xE2\x80\x94 pq.example %s\n", base64));
    ENT_OK(ent_note_parse((const char *)buf.data, buf.len, &note));
    CU_ASSERT_EQUAL(note.lines[0].base64_len, 2048);
    for (size_t at = 0; at < 2044; at++) {
        uint8_t *to = buf.data + (note.lines[0].base64 - (const char *)buf.data) + at;

        *to = '=';
        ENT_FAILS(ent_note_parse((const char *)buf.data, buf.len, &note), ENT_E_DATA);
        *to = 'A';
    }
    ent_buf_release(&buf);
}
