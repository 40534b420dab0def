/*
 * Random
 *
 * xoshiro256** by Blackman and Vigna, its state filled by SplitMix64 as they advise: any seed will
 * do, 0 included.
 */

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#include "base/macros.h"
#include "base/random.h"

static uint64_t split_mix(uint64_t *state) {
        uint64_t z;

        *state += UINT64_C(0x9e3779b97f4a7c15);
        z = *state;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t value, unsigned n_bits) {
        return value << n_bits | value >> (64 - n_bits);
}

void random_init(Random *random, uint64_t seed) {
        for (size_t i = 0; i < N_ELEMENTS(random->state); i++)
                random->state[i] = split_mix(&seed);
}

uint64_t random_system_seed(void) {
        uint64_t seed;
        ssize_t n;

        /* getrandom(2): up to 256 bytes come whole and without interruption. */
        n = getrandom(&seed, sizeof(seed), 0);
        assert(n == sizeof(seed));
        return seed;
}

uint64_t random_u64(Random *random) {
        uint64_t *s = random->state;
        uint64_t result = rotate_left(s[1] * 5, 7) * 9;
        uint64_t t = s[1] << 17;

        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = rotate_left(s[3], 45);
        return result;
}

uint64_t random_below(Random *random, uint64_t limit) {
        uint64_t threshold, value;

        assert(limit > 0);

        /* The lowest 2^64 mod `limit` values would favour the lowest results: drawn again. On
         * average that happens less than once a call, whatever the limit is. */
        threshold = -limit % limit;
        do
                value = random_u64(random);
        while (value < threshold);
        return value % limit;
}

bool random_one_in(Random *random, uint64_t n) { return n > 0 && random_below(random, n) == 0; }

void random_fill(Random *random, void *bytes, size_t size) {
        uint8_t *to = bytes;

        while (size > 0) {
                uint64_t value = random_u64(random);
                size_t n = MIN(size, sizeof(value));

                memcpy(to, &value, n);
                to += n;
                size -= n;
        }
}
