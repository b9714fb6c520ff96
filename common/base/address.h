/* What people and tokens write as an address: HOST:PORT, or [IPv6]:PORT. */
#ifndef ENT_COMMON_BASE_ADDRESS_H
#define ENT_COMMON_BASE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#define ENT_ADDRESS_HOST_BYTES 256 /* a host name has at most 253 */

/* Apart: host (without brackets) and port, 0 to 65535 without leading zeros. A name has letters, digits, '-', '.' and
 * '_': addresses become parts of URLs, files and lines of a log. False: it is no address; nothing is written. */
bool ent_address_split(const char *address, char host[ENT_ADDRESS_HOST_BYTES], uint16_t *port);

#endif
