#include "common/base/address.h"

#include <arpa/inet.h>
#include <string.h>

static bool read_port(const char *s, uint16_t *out)
{
    size_t n = strlen(s);
    uint32_t v = 0;

    if (n == 0 || n > 5 || (s[0] == '0' && n > 1)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return false;
        }
        v = v * 10 + (uint32_t)(s[i] - '0');
    }
    *out = (uint16_t)v;
    return v <= 65535;
}

static bool is_name(const char *host)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

    return host[0] != '\0' && host[strspn(host, allowed)] == '\0';
}

bool ent_address_split(const char *address, char host[ENT_ADDRESS_HOST_BYTES], uint16_t *port)
{
    const char *colon = strrchr(address, ':');
    size_t len = colon != NULL ? (size_t)(colon - address) : 0;
    char name[ENT_ADDRESS_HOST_BYTES] = {0};
    struct in6_addr v6;
    uint16_t number;
    bool is_v6 = len >= 2 && address[0] == '[' && address[len - 1] == ']';
    size_t cut = is_v6 ? 1 : 0;

    if (colon == NULL || len - 2 * cut >= sizeof name || !read_port(colon + 1, &number)) {
        return false;
    }
    memcpy(name, address + cut, len - 2 * cut);
    if (is_v6 ? inet_pton(AF_INET6, name, &v6) != 1 : !is_name(name)) {
        return false;
    }
    memcpy(host, name, sizeof name);
    *port = number;
    return true;
}
