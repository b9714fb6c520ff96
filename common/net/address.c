#include "common/net/address.h"

#include <arpa/inet.h>
#include <string.h>

/* Letters of names and addresses only: the text becomes part of a URL. */
static bool host_ok(const char *host, size_t len, bool bracketed)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

    for (size_t i = 0; i < len; i++) {
        if (strchr(allowed, host[i]) == NULL && !(bracketed && host[i] == ':')) {
            return false;
        }
    }
    return len > 0 && len < ENT_HOST_BYTES;
}

static bool port_ok(const char *port)
{
    unsigned long value = 0;
    size_t len = strlen(port);

    for (size_t i = 0; i < len; i++) {
        if (port[i] < '0' || port[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned long)(port[i] - '0');
        if (value > 65535) {
            return false;
        }
    }
    return len > 0 && len <= 5;
}

enum ent_err ent_address_parse(const char *text, struct ent_address *out)
{
    const char *colon = strrchr(text, ':');
    bool bracketed = text[0] == '[';
    const char *host = bracketed ? text + 1 : text;
    size_t len = colon != NULL && colon > host ? (size_t)(colon - host) : 0;
    struct ent_address a;

    if (bracketed && len > 0) {
        len--;
        if (host[len] != ']') {
            len = 0;
        }
    }
    ENT_REQUIRE(host_ok(host, len, bracketed) && port_ok(colon + 1), ENT_E_CONFIG,
                "'%.80s' is not an address of the form HOST:PORT", text);
    (void)snprintf(a.host, sizeof a.host, "%.*s", (int)len, host);
    (void)snprintf(a.port, sizeof a.port, "%s", colon + 1);
    (void)snprintf(a.url, sizeof a.url, bracketed ? "tcp://[%s]:%s" : "tcp://%s:%s", a.host,
                   a.port);
    *out = a;
    return ENT_E_OK;
}

void ent_address_text(const nng_sockaddr *sa, char *out, size_t out_bytes)
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (sa->s_family == NNG_AF_INET) {
        (void)inet_ntop(AF_INET, &sa->s_in.sa_addr, host, sizeof host);
        (void)snprintf(out, out_bytes, "%s:%u", host, (unsigned)ntohs(sa->s_in.sa_port));
    } else if (sa->s_family == NNG_AF_INET6) {
        (void)inet_ntop(AF_INET6, sa->s_in6.sa_addr, host, sizeof host);
        (void)snprintf(out, out_bytes, "[%s]:%u", host, (unsigned)ntohs(sa->s_in6.sa_port));
    } else {
        (void)snprintf(out, out_bytes, "?");
    }
}

uint64_t ent_address_origin(const nng_sockaddr *sa)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *v6 = (const uint8_t *)&sa->s_in6.sa_addr;
    uint64_t origin = 0;

    if (sa->s_family == NNG_AF_INET) {
        return ntohl(sa->s_in.sa_addr);
    }
    if (sa->s_family != NNG_AF_INET6) {
        return 0;
    }
    if (memcmp(v6, mapped, sizeof mapped) == 0) { /* IPv4 on a listener for both */
        v6 += sizeof mapped;
        return (uint64_t)v6[0] << 24 | (uint64_t)v6[1] << 16 | (uint64_t)v6[2] << 8 | v6[3];
    }
    for (size_t i = 0; i < 8; i++) {
        origin = origin << 8 | v6[i];
    }
    return origin;
}
