/*
 * The program on files that an arena was copied to: it writes the kept blocks where they belong and
 * nothing else, and refuses what can't be right. ORPHAN_TOOL names it.
 */

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cache/cache_arena.h"

#define ARENA_SIZE (2 * MIB)
#define LINE_SIZE (64 * KIB)
#define BLOCK_SIZE 512
#define N_BLOCKS 1024
#define DISK_SIZE ((size_t) N_BLOCKS * BLOCK_SIZE)
#define LUN 3
#define ORPHAN "orphans/x-lun3.1.orphan"

static char folder[64];
static char output[4096]; /* of the program, both of its streams */

static char *in_folder(const char *name) {
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        return path;
}

static void store(CacheArena *arena, uint32_t slot, uint64_t line, uint32_t offset, uint32_t size,
                  uint8_t byte) {
        uint8_t bytes[LINE_SIZE];

        memset(bytes, byte, size);
        cache_arena_claim(arena, slot, LUN, line, BLOCK_SIZE);
        cache_arena_store(arena, slot, offset, bytes, size, /* is_kept= */ true, true);
}

/* Kept: a block in line 0, the end of line 1 with the start of line 2. Lost: a block of line 4. */
static void make_orphan(void) {
        CacheIdentity identity = {
                .vendor_id = 0x1209,
                .product_id = 1,
                .block_size = BLOCK_SIZE,
                .n_blocks = N_BLOCKS,
                .usb_serial = "S\n1",
                .vendor = "Maker",
                .product = "Disk",
        };
        CacheArena *arena;
        int fd;

        fd = open(in_folder(ORPHAN), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, ARENA_SIZE), 0);
        ck_assert_int_eq(cache_arena_new(&arena, fd, LINE_SIZE), 0);
        cache_arena_set_identity(arena, LUN, &identity);
        store(arena, 0, 0, 1024, 512, 'a');
        store(arena, 1, 1, LINE_SIZE - 1024, 1024, 'b');
        store(arena, 2, 2, 0, 512, 'c');
        store(arena, 3, 4, 0, 1024, 'd');
        cache_arena_lose(arena, 3, cache_bits_range(0, 1));
        cache_arena_free(arena);
        fd_close(fd);
}

static void make_image(const char *name, size_t size) {
        uint8_t bytes[4096];
        int fd;

        memset(bytes, '.', sizeof(bytes));
        fd = open(in_folder(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        for (size_t i = 0; i < size; i += sizeof(bytes))
                ck_assert_int_eq(write(fd, bytes, MIN(sizeof(bytes), size - i)),
                                 (int) MIN(sizeof(bytes), size - i));
        fd_close(fd);
}

static void set_up(void) {
        strcpy(folder, "/tmp/orphan-tool-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        ck_assert_int_eq(mkdir(in_folder("orphans"), 0700), 0);
        make_orphan();
}

static void tear_down(void) {
        char command[128];

        snprintf(command, sizeof(command), "rm -r %s", folder);
        ck_assert_int_eq(system(command), 0);
}

/* In the folder; how it ended. */
static int run(const char *arguments) {
        char command[512];
        size_t size;
        FILE *pipe;
        int status;

        snprintf(command, sizeof(command), "cd %s && %s %s 2>&1", folder, getenv("ORPHAN_TOOL"),
                 arguments);
        pipe = popen(command, "r");
        ck_assert_ptr_nonnull(pipe);
        size = fread(output, 1, sizeof(output) - 1, pipe);
        output[size] = '\0';
        status = pclose(pipe);
        ck_assert(WIFEXITED(status));
        return WEXITSTATUS(status);
}

START_TEST(list_tells_whose_data_it_is) {
        ck_assert_int_eq(run("--state-dir . list"), 0);
        ck_assert_str_eq(output, "./" ORPHAN "\n"
                                 "        LUN 3 of 1209:0001 Maker Disk, serial S?1, 524288 bytes\n"
                                 "        kept: 2560 bytes, lost: 512 bytes\n");
}
END_TEST

START_TEST(list_of_nothing_is_empty) {
        ck_assert_int_eq(run("--state-dir nowhere list"), 0);
        ck_assert_str_eq(output, "");
}
END_TEST

START_TEST(map_joins_what_is_adjacent) {
        ck_assert_int_eq(run("--map export " ORPHAN), 0);
        ck_assert_str_eq(output, "1024 512 kept\n"
                                 "130048 1536 kept\n"
                                 "262144 512 lost\n"
                                 "262656 512 kept\n");
}
END_TEST

START_TEST(export_writes_what_is_kept_and_nothing_else) {
        static uint8_t image[DISK_SIZE + 1], expected[DISK_SIZE];
        int fd;

        make_image("image", DISK_SIZE);
        /* Something is corrupt, which a script has to learn. */
        ck_assert_int_eq(run("export " ORPHAN " image"), 1);
        ck_assert_ptr_nonnull(strstr(output, "2560 bytes written\n"));
        ck_assert_ptr_nonnull(strstr(output, "512 bytes are corrupt and were not written\n"));

        memset(expected, '.', sizeof(expected));
        memset(expected + 1024, 'a', 512);
        memset(expected + 2 * LINE_SIZE - 1024, 'b', 1024);
        memset(expected + 2 * LINE_SIZE, 'c', 512);
        memset(expected + 4 * LINE_SIZE + 512, 'd', 512);
        fd = open(in_folder("image"), O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(read(fd, image, sizeof(image)), (int) sizeof(expected));
        ck_assert_mem_eq(image, expected, sizeof(expected));
        fd_close(fd);
}
END_TEST

typedef struct RefusalCase {
        const char *arguments;
        const char *reason;
} RefusalCase;

static const RefusalCase refusal_cases[] = {
        { "export " ORPHAN " small", "small: it is smaller than the LUN" },
        { "export " ORPHAN " missing", "missing: it can't be written to" },
        { "export small image", "small: its name does not tell the LUN" },
        { "--lun 0 export small image", "small: it is no orphan file" },
        { "--lun 0 export " ORPHAN " image", "it has nothing of this LUN" },
        { "--lun 16 export " ORPHAN " image", "allowed are 0 to 15" },
        { "--map export " ORPHAN " image", "see --help" },
        { "export " ORPHAN, "see --help" },
        { "", "see --help" },
};

START_TEST(what_cannot_be_right_is_refused) {
        const RefusalCase *c = &refusal_cases[_i];

        make_image("small", DISK_SIZE - 1);
        make_image("image", DISK_SIZE);
        ck_assert_int_eq(run(c->arguments), 1);
        ck_assert_msg(strstr(output, c->reason), "%s: %s", c->arguments, output);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("usb-storage-orphan");
        TCase *tcase = tcase_create("files");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, list_tells_whose_data_it_is);
        tcase_add_test(tcase, list_of_nothing_is_empty);
        tcase_add_test(tcase, map_joins_what_is_adjacent);
        tcase_add_test(tcase, export_writes_what_is_kept_and_nothing_else);
        tcase_add_loop_test(tcase, what_cannot_be_right_is_refused, 0, N_ELEMENTS(refusal_cases));
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
