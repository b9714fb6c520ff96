/* Frame header, sinks, addresses. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/crypto/sha256.h"
#include "common/net/address.h"
#include "common/net/frame.h"
#include "common/net/sink.h"
#include "tests/support/ent_test.h"

static enum ent_err decode(const struct ent_frame *f, const struct ent_frame_state *state,
                           uint8_t version)
{
    uint8_t header[ENT_FRAME_HEADER_BYTES];
    struct ent_frame out;

    ent_frame_encode(f, header);
    header[0] = version;
    return ent_frame_decode(header, state, &out);
}

ENT_TEST(frame, header_is_big_endian)
{
    static const uint8_t want[16] = {1, 0x20, 0x12, 0x34, 0, 0, 0xab, 0xcd, 1, 2, 3, 4, 5, 6, 7, 8};
    static const struct ent_frame_state open = {.opened = true};
    const struct ent_frame f = {
        .type = 0x20, .flags = 0x1234, .len = 0xabcd, .request = 0x0102030405060708};
    struct ent_frame back;
    uint8_t header[16];

    ent_frame_encode(&f, header);
    CU_ASSERT_EQUAL(memcmp(header, want, 16), 0);
    ENT_OK(ent_frame_decode(header, &open, &back));
    CU_ASSERT_TRUE(back.type == f.type && back.flags == f.flags && back.len == f.len &&
                   back.request == f.request);
}

ENT_TEST(frame, numbered_tampers_are_refused)
{
    static const struct ent_frame_state open = {.opened = true};
    static const struct ent_frame_state fresh = {.opened = false};
    static const struct ent_frame_state granted = {
        .opened = true, .expecting = true, .expect_request = 5, .expect_bytes = 100};
    static const struct {
        struct ent_frame frame;
        const struct ent_frame_state *state;
        uint8_t version;
        enum ent_err want;
    } cases[] = {
        {{.type = ENT_FRAME_PING}, &fresh, 1, ENT_E_OK},
        {{.type = ENT_FRAME_PING}, &fresh, 2, ENT_E_VERSION},
        {{.type = ENT_FRAME_PING, .len = 1}, &fresh, 1, ENT_E_PROTOCOL},
        {{.type = 16}, &fresh, 1, ENT_E_PROTOCOL},
        {{.type = ENT_FRAME_PONG}, &fresh, 1, ENT_E_PROTOCOL},
        {{.type = ENT_FRAME_PONG}, &open, 1, ENT_E_OK},
        {{.type = ENT_FRAME_PONG, .len = 9}, &open, 1, ENT_E_PROTOCOL},
        {{.type = 0}, &open, 1, ENT_E_PROTOCOL},
        {{.type = 15}, &open, 1, ENT_E_PROTOCOL},
        {{.type = 16, .len = 65536}, &open, 1, ENT_E_OK},
        {{.type = 16, .len = 65537}, &open, 1, ENT_E_PROTOCOL},
        {{.type = 16, .len = UINT32_MAX}, &open, 1, ENT_E_PROTOCOL},
        {{.type = ENT_FRAME_DATA, .len = 1, .request = 5}, &open, 1, ENT_E_PROTOCOL},
        {{.type = ENT_FRAME_DATA, .len = 100, .request = 5}, &granted, 1, ENT_E_OK},
        {{.type = ENT_FRAME_DATA, .len = 101, .request = 5}, &granted, 1, ENT_E_PROTOCOL},
        {{.type = ENT_FRAME_DATA, .len = 0, .request = 5}, &granted, 1, ENT_E_PROTOCOL},
        {{.type = ENT_FRAME_DATA, .len = 1, .request = 6}, &granted, 1, ENT_E_PROTOCOL},
        {{.type = ENT_FRAME_DATA, .len = 2000000, .request = 5}, &granted, 1, ENT_E_PROTOCOL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(decode(&cases[i].frame, cases[i].state, cases[i].version), cases[i].want);
    }
}

ENT_TEST(sink, memory_takes_exactly_its_length)
{
    struct ent_sink *s = NULL;
    struct ent_blob *blob = NULL;
    uint8_t digest[32];
    uint8_t want[32];

    ENT_OK(ent_sink_new_memory(6, &s));
    CU_ASSERT_PTR_NULL(ent_sink_path(s));
    ENT_OK(ent_sink_write(s, (const uint8_t *)"abc", 3));
    ENT_FAILS(ent_sink_finish(s), ENT_E_SHAPE);
    ENT_FAILS(ent_sink_write(s, (const uint8_t *)"defg", 4), ENT_E_PROTOCOL);
    ENT_OK(ent_sink_write(s, (const uint8_t *)"def", 3));
    CU_ASSERT_TRUE(ent_sink_complete(s));
    ENT_OK(ent_sink_finish(s));
    ent_sink_sha256(s, digest);
    ENT_OK(ent_sha256("abcdef", 6, want));
    CU_ASSERT_EQUAL(memcmp(digest, want, 32), 0);
    ENT_OK(ent_sink_blob(s, &blob));
    ent_sink_free(s);
    CU_ASSERT_EQUAL(memcmp(ent_blob_bytes(blob), "abcdef", 6), 0);
    ent_blob_unref(blob);
}

/* Returns whether the file is there after the sink was freed. */
static bool file_sink(const char *path, bool keep)
{
    uint8_t *bytes = calloc(1, 600000);
    struct ent_buf back;
    struct ent_sink *s = NULL;
    uint8_t digest[32];
    uint8_t want[32];
    int fd = open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);

    for (size_t i = 0; i < 600000; i++) {
        bytes[i] = (uint8_t)(i * 7 % 251);
    }
    ENT_OK(ent_sha256(bytes, 600000, want));
    ENT_OK(ent_sink_new_file(fd, path, 600000, &s));
    CU_ASSERT_STRING_EQUAL(ent_sink_path(s), path);
    for (size_t at = 0; at < 600000; at += 100000) {
        ENT_OK(ent_sink_write(s, bytes + at, 100000));
    }
    ENT_OK(ent_sink_finish(s));
    ent_sink_sha256(s, digest);
    CU_ASSERT_EQUAL(memcmp(digest, want, 32), 0);
    ent_buf_init(&back, 1000000);
    ENT_OK(ent_file_read(path, &back));
    CU_ASSERT_TRUE(back.len == 600000 && memcmp(back.data, bytes, back.len) == 0);
    ent_buf_release(&back);
    if (keep) {
        ent_sink_keep(s);
    }
    ent_sink_free(s);
    free(bytes);
    return ent_file_exists(path);
}

ENT_TEST(sink, file_is_removed_unless_kept)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/update", ent_test_tmpdir());
    CU_ASSERT_FALSE(file_sink(path, false));
    CU_ASSERT_TRUE(file_sink(path, true));
}

ENT_TEST(sink, full_disk_is_an_error)
{
    struct ent_sink *s = NULL;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    if (fd < 0) {
        ent_test_skip("no /dev/full");
        return;
    }
    ENT_OK(ent_sink_new_file(fd, "/dev/full", 4, &s));
    ENT_FAILS(ent_sink_write(s, (const uint8_t *)"abcd", 4), ENT_E_IO);
    ent_sink_keep(s); /* never unlink a device */
    ent_sink_free(s);
}

ENT_TEST(address, forms)
{
    struct ent_address a;

    ENT_OK(ent_address_parse("fed.acme.example:7443", &a));
    CU_ASSERT_STRING_EQUAL(a.url, "tcp://fed.acme.example:7443");
    ENT_OK(ent_address_parse("[2001:db8::1]:0", &a));
    CU_ASSERT_STRING_EQUAL(a.host, "2001:db8::1");
    CU_ASSERT_STRING_EQUAL(a.url, "tcp://[2001:db8::1]:0");
    ENT_FAILS(ent_address_parse("host", &a), ENT_E_CONFIG);
    ENT_FAILS(ent_address_parse(":7443", &a), ENT_E_CONFIG);
    ENT_FAILS(ent_address_parse("host:", &a), ENT_E_CONFIG);
    ENT_FAILS(ent_address_parse("host:65536", &a), ENT_E_CONFIG);
    ENT_FAILS(ent_address_parse("host:12x", &a), ENT_E_CONFIG);
    ENT_FAILS(ent_address_parse("a@b:1", &a), ENT_E_CONFIG);
    ENT_FAILS(ent_address_parse("2001:db8::1:7443", &a), ENT_E_CONFIG);
    ENT_FAILS(ent_address_parse("[::1:7443", &a), ENT_E_CONFIG);
    ENT_FAILS(ent_address_parse("[]:7443", &a), ENT_E_CONFIG);
    ENT_FAILS(ent_address_parse("", &a), ENT_E_CONFIG);
}
