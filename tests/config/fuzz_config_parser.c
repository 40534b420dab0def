/* Fuzz target: any bytes as a configuration file. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "config/config_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Target {
        bool flag;
        uint32_t number;
        uint64_t size;
        int colour;
        char *name;    /* owned */
        char **listen; /* owned */
} Target;

static const char *const colours[] = { "red", "green", NULL };

static const ConfigOption options[] = {
        { "a", "flag", CONFIG_TYPE_BOOL, offsetof(Target, flag) },
        { "a", "number", CONFIG_TYPE_UINT, offsetof(Target, number), .maximum = 100 },
        { "a", "size", CONFIG_TYPE_SIZE, offsetof(Target, size), .minimum = 4096 },
        { "b", "colour", CONFIG_TYPE_ENUM, offsetof(Target, colour), .names = colours },
        { "b", "name", CONFIG_TYPE_STRING, offsetof(Target, name) },
        { "b", "listen", CONFIG_TYPE_STRING_LIST, offsetof(Target, listen) },
};

static void on_complaint(const char *file, unsigned line, const char *text, void *userdata) {
        assert(strlen(text) > 0);
        ++*(size_t *) userdata;
}

static void parse(int fd, Target *target) {
        const ConfigTable table = { options, N_ELEMENTS(options), target };
        _cleanup_(config_parser_freep) ConfigParser *parser = NULL;
        size_t n_complaints = 0;
        int r;

        r = config_parser_new(&parser, &table, 1, on_complaint, &n_complaints);
        if (r == 0)
                r = config_parser_read_fd(parser, fd, "fuzz");
        if (r == 0)
                r = config_parser_apply(parser);
        assert(r == (n_complaints > 0 ? -EINVAL : 0));
        assert(target->number <= 100);
        assert(target->size == 0 || target->size >= 4096);
        assert(target->colour == 0 || target->colour == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(fd_closep) int fd = memfd_create("fuzz", MFD_CLOEXEC);
        Target target = { 0 };

        if (fd < 0 || pwrite(fd, data, size, 0) != (ssize_t) size)
                abort();
        parse(fd, &target);
        free(target.name);
        config_option_strings_free(target.listen);
        return 0;
}
