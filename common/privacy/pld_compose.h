/* Composition on a grid. Inside of common/privacy. */
#ifndef ENT_COMMON_PRIVACY_PLD_COMPOSE_H
#define ENT_COMMON_PRIVACY_PLD_COMPOSE_H

#include "common/privacy/pld.h"
#include "common/privacy/pld_nodes.h"

/* x: [len], a power of two, becomes the tilted distributions of the summed losses at cell modulo len: REMOVE in its real, ADD in its
 * imaginary parts. nodes: [2 n], both directions of each phase. NO_MEMORY. */
ENT_MUST enum ent_err ent_pld_compose(const struct ent_pld_nodes *nodes,
                                      const struct ent_pld_phase *phases, size_t n,
                                      struct ent_complex *x, size_t len);

#endif
