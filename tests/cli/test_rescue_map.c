/* Maps against a model that has a status for each byte, and mapfiles as tables. */

#include <errno.h>
#include <string.h>

#include "base/random.h"
#include "cli/rescue_map.h"

#include "../base/unit_test.h"

#define MODEL_SIZE 64

static char *to_text(const RescueMap *map) {
        char *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(file);
        rescue_map_write(map, file);
        ck_assert_int_eq(fclose(file), 0);
        return text;
}

static void expect_like_model(const RescueMap *map, const RescueStatus *model) {
        uint64_t sums[_RESCUE_STATUS_MAX] = {};
        RescueExtent extent, next;
        uint64_t offset = 0;

        for (size_t i = 0; i < MODEL_SIZE; i++)
                sums[model[i]]++;
        for (RescueStatus status = 0; status < _RESCUE_STATUS_MAX; status++)
                ck_assert_uint_eq(rescue_map_sum(map, status), sums[status]);
        while (offset < MODEL_SIZE) {
                ck_assert(rescue_map_find(map, offset, model[offset], &extent));
                ck_assert_uint_eq(extent.start, offset);
                for (size_t i = 0; i < extent.size; i++)
                        ck_assert_int_eq(model[offset + i], extent.status);
                /* Neighbours that are alike are one. */
                offset += extent.size;
                if (rescue_map_find(map, offset, extent.status, &next))
                        ck_assert_uint_gt(next.start, offset);
        }
}

START_TEST(every_byte_has_the_status_that_was_set_last) {
        _cleanup_(rescue_map_freep) RescueMap *map = NULL;
        RescueStatus model[MODEL_SIZE] = {};
        Random random;

        random_init(&random, (uint64_t) _i);
        ck_assert_int_eq(rescue_map_new(&map, MODEL_SIZE), 0);
        for (size_t i = 0; i < 200; i++) {
                uint64_t start = random_below(&random, MODEL_SIZE);
                uint64_t size = random_below(&random, MIN(MODEL_SIZE - start, (uint64_t) 12) + 1);
                RescueStatus status = (RescueStatus) random_below(&random, _RESCUE_STATUS_MAX);

                ck_assert_int_eq(rescue_map_set(map, start, size, status), 0);
                for (size_t j = 0; j < size; j++)
                        model[start + j] = status;
                expect_like_model(map, model);
        }
}
END_TEST

START_TEST(what_is_written_is_read_again) {
        _cleanup_(rescue_map_freep) RescueMap *map = NULL, *again = NULL;
        _cleanup_(freep) char *text = NULL, *second = NULL;
        unsigned line;

        ck_assert_int_eq(rescue_map_new(&map, GIB), 0);
        ck_assert_int_eq(rescue_map_set(map, 0, MIB, RESCUE_STATUS_DONE), 0);
        ck_assert_int_eq(rescue_map_set(map, MIB, 512, RESCUE_STATUS_BAD), 0);
        ck_assert_int_eq(rescue_map_set(map, 3 * MIB, MIB, RESCUE_STATUS_UNTRIMMED), 0);
        text = to_text(map);
        ck_assert_ptr_nonnull(strstr(text, "\n0x00100200     ?               1\n"));
        ck_assert_ptr_nonnull(strstr(text, "\n0x00100000  0x00000200  -\n"));
        ck_assert_int_eq(rescue_map_parse(&again, text, strlen(text), GIB, &line), 0);
        second = to_text(again);
        ck_assert_str_eq(text, second);
}
END_TEST

#define HEAD "# ddrescue\n0x0 + 1\n"

static const struct {
        const char *text;
        int r;
        unsigned line;
        uint64_t done;
        uint64_t untried;
} files[] = {
        { HEAD "0x00 0x40 +\n", 0, 3, 64, 0 },
        { HEAD "0x00 0x40 +", 0, 3, 64, 0 },
        { HEAD "0 32 +\r\n32 32 ?\r\n", 0, 4, 32, 32 },
        { HEAD "  0\t040  +  \n", 0, 3, 32, 32 },
        /* What is not mentioned is untried. */
        { HEAD "0x20 0x10 +\n", 0, 3, 16, 48 },
        { "0 ?\n", 0, 1, 0, 64 },
        { "0 F 2\n\n# more\n0 1 -\n", 0, 4, 0, 63 },
        { HEAD "0 0 +\n", 0, 3, 0, 64 },
        { "", -EINVAL, 0 },
        { "# only this\n", -EINVAL, 1 },
        { "0x00 0x40 +\n", -EINVAL, 1 },
        { HEAD "0x00 0x40\n", -EINVAL, 3 },
        { HEAD "0x00 0x40 x\n", -EINVAL, 3 },
        { HEAD "0x00 0x40 ++\n", -EINVAL, 3 },
        { HEAD "0x00 0x40 + 1\n", -EINVAL, 3 },
        { HEAD "-1 0x40 +\n", -EINVAL, 3 },
        { HEAD "0x00 0xg +\n", -EINVAL, 3 },
        { HEAD "0x00 99999999999999999999 +\n", -EINVAL, 3 },
        { HEAD "0 32 +\n31 1 -\n", -EINVAL, 4 },
        { HEAD "32 32 +\n0 32 -\n", -EINVAL, 4 },
        { HEAD "0x00 0x41 +\n", -ERANGE, 3 },
        { HEAD "0x41 0 +\n", -ERANGE, 3 },
        { HEAD "1 0xffffffffffffffff +\n", -ERANGE, 3 },
        { "1234567 q\n", -EINVAL, 1 },
};

START_TEST(mapfiles_are_read_or_their_wrong_line_is_told) {
        _cleanup_(rescue_map_freep) RescueMap *map = NULL;
        unsigned line = 0;

        ck_assert_int_eq(rescue_map_parse(&map, files[_i].text, strlen(files[_i].text), MODEL_SIZE,
                                          &line),
                         files[_i].r);
        ck_assert_uint_eq(line, files[_i].line);
        if (files[_i].r < 0)
                return;
        ck_assert_uint_eq(rescue_map_sum(map, RESCUE_STATUS_DONE), files[_i].done);
        ck_assert_uint_eq(rescue_map_sum(map, RESCUE_STATUS_UNTRIED), files[_i].untried);
}
END_TEST

START_TEST(a_line_without_end_and_a_zero_are_no_mapfile) {
        _cleanup_(rescue_map_freep) RescueMap *map = NULL;
        char text[400];
        unsigned line;

        memset(text, '1', sizeof(text));
        ck_assert_int_eq(rescue_map_parse(&map, text, sizeof(text), 1, &line), -EINVAL);
        ck_assert_int_eq(rescue_map_parse(&map, "0 +\0 ", 5, 1, &line), -EINVAL);
        /* A comment may be as long as it likes. */
        text[0] = '#';
        memcpy(text + 380, "\n0 +\n", 5);
        ck_assert_int_eq(rescue_map_parse(&map, text, 385, 1, &line), 0);
}
END_TEST

START_TEST(a_map_has_a_limit_and_stays_as_it_was) {
        _cleanup_(rescue_map_freep) RescueMap *map = NULL;
        uint64_t i = 0;
        int r;

        ck_assert_int_eq(rescue_map_new(&map, GIB), 0);
        do
                r = rescue_map_set(map, 2 * i++, 1, RESCUE_STATUS_BAD);
        while (r == 0 && i < GIB / 2);
        ck_assert_int_eq(r, -E2BIG);
        ck_assert_uint_eq(rescue_map_sum(map, RESCUE_STATUS_BAD), i - 1);
        ck_assert_int_eq(rescue_map_set(map, 2 * (i - 2), 1, RESCUE_STATUS_DONE), 0);
}
END_TEST

START_TEST(saving_replaces_the_file_or_leaves_it) {
        char folder[] = "/tmp/rescue_map.XXXXXX", path[64], gone[64];
        _cleanup_(rescue_map_freep) RescueMap *map = NULL;
        char text[512] = "";
        FILE *file;

        ck_assert_ptr_nonnull(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/map", folder);
        (void) snprintf(gone, sizeof(gone), "%s/no/map", folder);
        ck_assert_int_eq(rescue_map_new(&map, 64), 0);
        ck_assert_int_eq(rescue_map_save(map, path), 0);
        ck_assert_int_eq(rescue_map_set(map, 0, 64, RESCUE_STATUS_DONE), 0);
        ck_assert_int_eq(rescue_map_save(map, path), 0);
        ck_assert_int_eq(rescue_map_save(map, gone), -ENOENT);
        file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, file), 0);
        ck_assert_ptr_nonnull(strstr(text, "\n0x00000000  0x00000040  +\n"));
        ck_assert_int_eq(fclose(file), 0);
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(rmdir(folder), 0); /* and nothing else is left in it */
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                what_is_written_is_read_again,
                a_line_without_end_and_a_zero_are_no_mapfile,
                a_map_has_a_limit_and_stays_as_it_was,
                saving_replaces_the_file_or_leaves_it,
                NULL,
        };
        Suite *suite = suite_of("rescue_map", tests);
        TCase *tables = tcase_create("tables");

        tcase_add_loop_test(tables, every_byte_has_the_status_that_was_set_last, 0, 20);
        tcase_add_loop_test(tables, mapfiles_are_read_or_their_wrong_line_is_told, 0,
                            N_ELEMENTS(files));
        suite_add_tcase(suite, tables);
        return run_suite(suite);
}
