/* Allocations made by our code in this program: the linker sends malloc, calloc, realloc and aligned_alloc through
 * count_alloc.c (rooms.cmake). */
#ifndef ENT_TESTS_UNIT_CLIENT_TRAIN_COUNT_ALLOC_H
#define ENT_TESTS_UNIT_CLIENT_TRAIN_COUNT_ALLOC_H

unsigned long ent_count_alloc(void);
/* Bytes asked for so far; what is given back is not taken off. */
unsigned long ent_count_alloc_bytes(void);

#endif
