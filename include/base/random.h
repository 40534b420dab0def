#pragma once

/* A seeded source of random numbers (xoshiro256**): good for simulation and jitter, not for
 * secrets. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Random {
        uint64_t state[4];
} Random;

void random_init(Random *random, uint64_t seed);
/* A seed from the kernel, for those who need no replay. */
uint64_t random_system_seed(void);
uint64_t random_u64(Random *random);
/* Uniform in 0 … limit - 1; `limit` > 0. */
uint64_t random_below(Random *random, uint64_t limit);
/* True once in `n` times on average; never if `n` is 0. */
bool random_one_in(Random *random, uint64_t n);
void random_fill(Random *random, void *bytes, size_t size);
