/*
 * Runs a fuzz target on each file of a folder, as libFuzzer does before it makes up its own. The
 * target aborts on what it does not like.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/macros.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool run_seed(int folder_fd, const char *name) {
        _cleanup_(fd_closep) int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC);
        _cleanup_(freep) uint8_t *bytes = NULL;
        struct stat status;

        if (fd < 0 || fstat(fd, &status) < 0)
                return false;
        bytes = malloc(MAX((size_t) status.st_size, (size_t) 1));
        if (!bytes || read(fd, bytes, (size_t) status.st_size) != status.st_size)
                return false;
        printf("%s\n", name);
        (void) fflush(stdout);
        return LLVMFuzzerTestOneInput(bytes, (size_t) status.st_size) == 0;
}

static size_t run_seeds(DIR *folder) {
        struct dirent *entry;
        size_t n_seeds = 0;

        while ((entry = readdir(folder))) {
                if (entry->d_name[0] == '.')
                        continue;
                if (!run_seed(dirfd(folder), entry->d_name)) {
                        fprintf(stderr, "%s can't be run\n", entry->d_name);
                        return 0;
                }
                n_seeds++;
        }
        return n_seeds;
}

/* Fails if there are no seeds: a folder that was moved would pass for ever. */
int main(int argc, char **argv) {
        DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
        size_t n_seeds;

        if (!folder) {
                fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
                return EXIT_FAILURE;
        }
        n_seeds = run_seeds(folder);
        (void) closedir(folder);
        return n_seeds > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
