/* Fuzz target: any bytes as a configuration file; what is written of it says the same. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "config/config_writer.h"

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
        { "a", "flag", CONFIG_TYPE_BOOL, offsetof(Target, flag), .help = "" },
        { "a", "number", CONFIG_TYPE_UINT, offsetof(Target, number), .maximum = 100, .help = "" },
        { "a", "size", CONFIG_TYPE_SIZE, offsetof(Target, size), .minimum = 4096, .help = "" },
        { "b", "colour", CONFIG_TYPE_ENUM, offsetof(Target, colour), .names = colours, .help = "" },
        { "b", "name", CONFIG_TYPE_STRING, offsetof(Target, name), .help = "" },
        { "b", "listen", CONFIG_TYPE_STRING_LIST, offsetof(Target, listen), .help = "" },
};

static void on_complaint(const char *file, unsigned line, const char *text, void *userdata) {
        assert(strlen(text) > 0);
        ++*(size_t *) userdata;
}

static void forget(Target *target) {
        free(target->name);
        config_option_strings_free(target->listen);
}

static void read_back(char *text, size_t size, const Target *target) {
        _cleanup_(fd_closep) int fd = memfd_create("fuzz", MFD_CLOEXEC);
        Target again = { 0 };
        const ConfigTable table = { options, N_ELEMENTS(options), &again };
        _cleanup_(config_parser_freep) ConfigParser *parser = NULL;
        size_t n_complaints = 0;

        if (fd < 0 || pwrite(fd, text, size, 0) != (ssize_t) size)
                abort();
        if (config_parser_new(&parser, &table, 1, on_complaint, &n_complaints) < 0)
                abort();
        assert(config_parser_read_fd(parser, fd, "again") == 0);
        assert(config_parser_apply(parser) == 0);
        for (size_t i = 0; i < N_ELEMENTS(options); i++)
                assert(config_option_is_equal(&options[i], target, &again));
        forget(&again);
}

static void write_and_read_back(const ConfigTable *table, const ConfigParser *parser) {
        _cleanup_(freep) char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        if (!file)
                abort();
        assert(config_writer_write(file, table, 1, parser) == 0);
        fclose(file);
        if (size <= CONFIG_LINE_SIZE_MAX) /* one line of it may be all there is */
                read_back(text, size, table->target);
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
        if (r == 0)
                write_and_read_back(&table, parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(fd_closep) int fd = memfd_create("fuzz", MFD_CLOEXEC);
        Target target = { .size = 4096 };

        if (fd < 0 || pwrite(fd, data, size, 0) != (ssize_t) size)
                abort();
        parse(fd, &target);
        forget(&target);
        return 0;
}
