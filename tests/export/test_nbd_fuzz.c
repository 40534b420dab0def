/* The fuzz target on streams that are nearly right, from printed seeds. */

#include <string.h>

#include "base/bytes.h"
#include "base/macros.h"
#include "base/random.h"
#include "unit_test.h"

#define N_SEEDS 300
#define STREAM_SIZE_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t put_request(Random *random, uint8_t *bytes) {
        static const uint32_t sizes[] = { 0, 1, 512, 1000, 4096, 300000, UINT32_MAX };
        uint32_t size = sizes[random_below(random, 7)];

        put_be32(bytes, 0x25609513);
        put_be16(bytes + 4, random_one_in(random, 3) ? (uint16_t) random_below(random, 64) : 0);
        put_be16(bytes + 6, (uint16_t) random_below(random, 10));
        put_be64(bytes + 8, random_u64(random));
        put_be64(bytes + 16,
                 random_one_in(random, 8) ? random_u64(random) : random_below(random, 300000));
        put_be32(bytes + 24, size);
        if (random_one_in(random, 20))
                bytes[random_below(random, 28)] ^= (uint8_t) random_u64(random);
        return 28 + (get_be16(bytes + 6) == 1 && size <= 1000 ? size : 0);
}

START_TEST(any_stream_is_survived) {
        uint8_t bytes[STREAM_SIZE_MAX];
        size_t size = 1;
        Random random;

        random_init(&random, (uint64_t) _i);
        random_fill(&random, bytes, sizeof(bytes));
        while (size < STREAM_SIZE_MAX - 2048 && !random_one_in(&random, 30))
                size += put_request(&random, bytes + size);
        size -= random_below(&random, MIN(size, (size_t) 40));
        LLVMFuzzerTestOneInput(bytes, size);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("nbd_fuzz");
        TCase *tcase = tcase_create("nbd_fuzz");

        tcase_add_loop_test(tcase, any_stream_is_survived, 0, N_SEEDS);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
