/*
 * usb-storage-orphan: shows what lies in orphan files, and writes it to a disk or an image by hand.
 * A program of its own, as the manager never looks into an arena. What is in the files came from
 * devices: cache_remains reads it safely, and strings are sanitised before they are shown.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cache/cache_remains.h"
#include "control/control_message.h"
#include "device/orphan_name.h"

#define DEFAULT_STATE_DIR "/var/lib/usb-storage"
#define PATH_SIZE_MAX 4096

typedef struct OrphanOptions {
        const char *state_dir;
        int lun; /* -1: as the file's name tells */
        bool wants_map;
} OrphanOptions;

/* What one file has of its LUN. */
typedef struct Orphan {
        CacheRemains *remains; /* owned */
        unsigned lun;
        const CacheIdentity *identity; /* borrowed from `remains` */
} Orphan;

static void orphan_done(Orphan *orphan) { cache_remains_free(orphan->remains); }

static int complain(const char *path, const char *what, int error) {
        fprintf(stderr, "usb-storage-orphan: %s: %s%s%s\n", path, what, error < 0 ? ": " : "",
                error < 0 ? strerror(-error) : "");
        return error < 0 ? error : -EINVAL;
}

static int orphan_find_lun(const char *path, int wanted_lun, unsigned *ret) {
        const char *slash = strrchr(path, '/');
        OrphanName name;

        if (wanted_lun >= 0) {
                *ret = (unsigned) wanted_lun;
                return 0;
        }
        if (orphan_name_parse(&name, slash ? slash + 1 : path) < 0)
                return complain(path, "its name does not tell the LUN, give --lun", 0);
        *ret = name.lun;
        return 0;
}

static int orphan_open(Orphan *ret, const char *path, int wanted_lun) {
        _cleanup_(fd_closep) int fd = -EBADF;
        Orphan orphan = {};
        int r;

        r = orphan_find_lun(path, wanted_lun, &orphan.lun);
        if (r < 0)
                return r;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return complain(path, "it can't be opened", -errno);
        r = cache_remains_new(&orphan.remains, fd, path);
        if (r < 0)
                return complain(path, r == -EBADMSG ? "it is no orphan file" : "it can't be read",
                                r == -EBADMSG ? 0 : r);
        orphan.identity = cache_remains_get_identity(orphan.remains, orphan.lun);
        *ret = orphan;
        return 0;
}

static uint64_t orphan_get_disk_size(const Orphan *orphan) {
        return orphan->identity->n_blocks * orphan->identity->block_size;
}

/* Extents: runs of blocks, in the order of the disk */

typedef int (*ExtentHandler)(uint64_t offset, uint64_t size, const uint8_t *data, bool is_lost,
                             void *userdata);

static int for_each_run(const Orphan *orphan, const CacheRemnant *remnant, ExtentHandler handler,
                        void *userdata) {
        CacheBits blocks = cache_bits_or(remnant->kept, remnant->lost);
        uint32_t block_size = orphan->identity->block_size;
        unsigned start, end;

        for (start = cache_bits_next_set(blocks, 0); start < CACHE_BITS_MAX;
             start = cache_bits_next_set(blocks, end)) {
                bool is_lost = cache_bits_has(remnant->lost, start);
                int r;

                end = cache_bits_next_clear(is_lost ? remnant->lost : remnant->kept, start);
                r = handler(remnant->offset + (uint64_t) start * block_size,
                            (uint64_t) (end - start) * block_size,
                            remnant->data + (size_t) start * block_size, is_lost, userdata);
                if (r < 0)
                        return r;
                if (end >= CACHE_BITS_MAX)
                        break;
        }
        return 0;
}

static int for_each_extent(const Orphan *orphan, ExtentHandler handler, void *userdata) {
        CacheRemnant remnant;
        uint32_t cursor = 0;

        while (cache_remains_next(orphan->remains, orphan->lun, &cursor, &remnant)) {
                int r = for_each_run(orphan, &remnant, handler, userdata);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* list */

typedef struct Sizes {
        uint64_t kept;
        uint64_t lost;
} Sizes;

static int count_extent(uint64_t offset, uint64_t size, const uint8_t *data, bool is_lost,
                        void *userdata) {
        Sizes *sizes = userdata;

        *(is_lost ? &sizes->lost : &sizes->kept) += size;
        return 0;
}

static void print_orphan(const char *path, const Orphan *orphan) {
        const CacheIdentity *identity = orphan->identity;
        Sizes sizes = {};
        char text[512];

        printf("%s\n", path);
        if (!identity) {
                printf("        LUN %u: nothing\n", orphan->lun);
                return;
        }
        for_each_extent(orphan, count_extent, &sizes);
        snprintf(text, sizeof(text), "%04x:%04x %s %s, serial %s", identity->vendor_id,
                 identity->product_id, identity->vendor, identity->product, identity->usb_serial);
        log_sanitise(text);
        printf("        LUN %u of %s, %" PRIu64 " bytes\n"
               "        kept: %" PRIu64 " bytes, lost: %" PRIu64 " bytes\n",
               orphan->lun, text, orphan_get_disk_size(orphan), sizes.kept, sizes.lost);
}

static int list_file(const char *path) {
        _cleanup_(orphan_done) Orphan orphan = {};
        int r;

        r = orphan_open(&orphan, path, /* wanted_lun= */ -1);
        if (r == 0)
                print_orphan(path, &orphan);
        return r;
}

static int is_orphan_entry(const struct dirent *entry) {
        OrphanName name;

        return orphan_name_parse(&name, entry->d_name) == 0;
}

static int list_orphans(const OrphanOptions *options) {
        char folder[PATH_SIZE_MAX], path[PATH_SIZE_MAX + NAME_MAX + 2];
        struct dirent **entries;
        int n_entries, r = 0;

        snprintf(folder, sizeof(folder), "%s/" ORPHAN_FOLDER_NAME, options->state_dir);
        n_entries = scandir(folder, &entries, is_orphan_entry, versionsort);
        if (n_entries < 0)
                return errno == ENOENT ? 0 : complain(folder, "it can't be listed", -errno);
        for (int i = 0; i < n_entries; i++) {
                snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
                if (list_file(path) < 0)
                        r = -EINVAL;
                free(entries[i]);
        }
        free(entries);
        return r;
}

/* export */

/* Lines end where they end, but extents need not. */
typedef struct Map {
        uint64_t offset;
        uint64_t size; /* 0: none yet */
        bool is_lost;
} Map;

static void map_flush(Map *map) {
        if (map->size > 0)
                printf("%" PRIu64 " %" PRIu64 " %s\n", map->offset, map->size,
                       map->is_lost ? "lost" : "kept");
        map->size = 0;
}

static int map_extent(uint64_t offset, uint64_t size, const uint8_t *data, bool is_lost,
                      void *userdata) {
        Map *map = userdata;

        if (map->size > 0 && map->offset + map->size == offset && map->is_lost == is_lost) {
                map->size += size;
                return 0;
        }
        map_flush(map);
        *map = (Map){ .offset = offset, .size = size, .is_lost = is_lost };
        return 0;
}

typedef struct Target {
        int fd;
        Sizes sizes;
} Target;

static int write_extent(uint64_t offset, uint64_t size, const uint8_t *data, bool is_lost,
                        void *userdata) {
        Target *target = userdata;

        count_extent(offset, size, data, is_lost, &target->sizes);
        while (!is_lost && size > 0) {
                ssize_t n = pwrite(target->fd, data, size, (off_t) offset);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0) {
                        offset += (uint64_t) n;
                        data += n;
                        size -= (uint64_t) n;
                }
        }
        return 0;
}

/* A block device that is mounted or held is refused by the kernel: O_EXCL. */
static int open_target(const char *path, uint64_t disk_size, int *ret) {
        _cleanup_(fd_closep) int fd = -EBADF;
        off_t size;

        fd = open(path, O_RDWR | O_EXCL | O_CLOEXEC);
        if (fd < 0)
                return complain(path, "it can't be written to", -errno);
        size = lseek(fd, 0, SEEK_END);
        if (size < 0)
                return complain(path, "it is neither an image nor a disk", -errno);
        if ((uint64_t) size < disk_size)
                return complain(path, "it is smaller than the LUN", 0);
        *ret = TAKE_FD(fd);
        return 0;
}

static int export_to(const Orphan *orphan, const char *path) {
        _cleanup_(fd_closep) int fd = -EBADF;
        Target target = {};
        int r;

        r = open_target(path, orphan_get_disk_size(orphan), &fd);
        if (r < 0)
                return r;
        target.fd = fd;
        r = for_each_extent(orphan, write_extent, &target);
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        if (r < 0)
                return complain(path, "it can't be written to", r);
        printf("%" PRIu64 " bytes written\n", target.sizes.kept);
        if (target.sizes.lost == 0)
                return 0;
        fprintf(stderr, "usb-storage-orphan: %" PRIu64 " bytes are corrupt and were not written\n",
                target.sizes.lost);
        return -EIO;
}

static int export_orphan(const OrphanOptions *options, const char *path, const char *to) {
        _cleanup_(orphan_done) Orphan orphan = {};
        Map map = {};
        int r;

        r = orphan_open(&orphan, path, options->lun);
        if (r < 0)
                return r;
        if (!orphan.identity)
                return complain(path, "it has nothing of this LUN", 0);
        if (!options->wants_map)
                return export_to(&orphan, to);
        r = for_each_extent(&orphan, map_extent, &map);
        map_flush(&map);
        return r;
}

/* The command line */

static void print_help(void) {
        puts("usb-storage-orphan [OPTION]... list\n"
             "usb-storage-orphan [OPTION]... export FILE OUT\n"
             "usb-storage-orphan [OPTION]... --map export FILE\n"
             "\n"
             "Shows orphan files, and writes what is in one to an image or a disk.\n"
             "\n"
             "  --state-dir DIR  where the service keeps them (default " DEFAULT_STATE_DIR ")\n"
             "  --lun N          of the file, where its name does not tell it\n"
             "  --map            print offset, length and state of each extent instead\n"
             "  --help, --version");
}

static int parse_lun(const char *text) {
        char *end;
        unsigned long lun = strtoul(text, &end, 10);

        if (*text < '0' || *text > '9' || *end != '\0' || lun >= CONTROL_LUNS_MAX)
                return complain("--lun", "allowed are 0 to 15", 0);
        return (int) lun;
}

/* 1: all was said. */
static int parse_options(OrphanOptions *options, int argc, char **argv) {
        static const struct option long_options[] = {
                { "state-dir", required_argument, NULL, 's' },
                { "lun", required_argument, NULL, 'l' },
                { "map", no_argument, NULL, 'm' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                {},
        };
        int option;

        while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
                switch (option) {
                case 's':
                        options->state_dir = optarg;
                        break;
                case 'l':
                        options->lun = parse_lun(optarg);
                        if (options->lun < 0)
                                return -EINVAL;
                        break;
                case 'm':
                        options->wants_map = true;
                        break;
                case 'h':
                        print_help();
                        return 1;
                case 'v':
                        puts("usb-storage-orphan " PROJECT_VERSION);
                        return 1;
                default: /* getopt_long has said what was wrong */
                        return -EINVAL;
                }
        }
        return 0;
}

static int run(const OrphanOptions *options, int n_arguments, char **arguments) {
        if (n_arguments == 1 && strcmp(arguments[0], "list") == 0 && !options->wants_map)
                return list_orphans(options);
        if (n_arguments == (options->wants_map ? 2 : 3) && strcmp(arguments[0], "export") == 0)
                return export_orphan(options, arguments[1], arguments[2]);
        fprintf(stderr, "usb-storage-orphan: see --help\n");
        return -EINVAL;
}

int main(int argc, char **argv) {
        OrphanOptions options = { .state_dir = DEFAULT_STATE_DIR, .lun = -1 };
        int r;

        r = parse_options(&options, argc, argv);
        if (r == 0)
                r = run(&options, argc - optind, argv + optind);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
