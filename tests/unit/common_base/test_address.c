#include <string.h>

#include "common/base/address.h"
#include "tests/support/ent_test.h"

ENT_TEST(address, host_and_port)
{
    char host[ENT_ADDRESS_HOST_BYTES];
    uint16_t port;

    CU_ASSERT_TRUE(ent_address_split("fed.acme.example:7443", host, &port));
    CU_ASSERT_STRING_EQUAL(host, "fed.acme.example");
    CU_ASSERT_EQUAL(port, 7443);
    CU_ASSERT_TRUE(ent_address_split("[::1]:0", host, &port));
    CU_ASSERT_STRING_EQUAL(host, "::1");
    CU_ASSERT_EQUAL(port, 0);
    CU_ASSERT_TRUE(ent_address_split("[2001:db8::1]:65535", host, &port));
    CU_ASSERT_EQUAL(port, 65535);
    CU_ASSERT_TRUE(ent_address_split("my_fed-1:1", host, &port));
}

ENT_TEST(address, what_is_none)
{
    static const char *const none[] = {
        "",      ":7443",         "host",       "host:",   "a b:1",
        "a/b:1", "a@b:1",         "h:65536",    "h:99999", "h:100000",
        "h:12x", "h: 1",          "h:+1",       "h:07443", "h:00",
        "[]:1",  "[::1:1",        "::1]:1",     "[h]:1",   "[1.2.3.4]:1",
        "[:]:1", "2001:db8::1:1", "[::1%lo]:1", "h\n:1",   "\xc3\xa9:1"};
    char long_name[300];
    char host[ENT_ADDRESS_HOST_BYTES] = "as before";
    uint16_t port = 7;

    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        CU_ASSERT_FALSE(ent_address_split(none[i], host, &port));
    }
    memset(long_name, 'a', sizeof long_name);
    memcpy(long_name + ENT_ADDRESS_HOST_BYTES, ":1", 3);
    CU_ASSERT_FALSE(ent_address_split(long_name, host, &port));
    CU_ASSERT(strcmp(host, "as before") == 0 && port == 7);
    CU_ASSERT_TRUE(ent_address_split(long_name + 1, host, &port));
}
