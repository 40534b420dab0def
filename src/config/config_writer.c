/* A section begins where that of the option before it ends, so keys of one stand together. */

#include <errno.h>
#include <string.h>

#include "config/config_value.h"
#include "config/config_writer.h"

static void write_origin(FILE *file, ConfigOrigin origin) {
        if (!origin.override && !origin.file)
                fputs("default", file);
        if (origin.override)
                fprintf(file, "command line, %s", origin.override);
        if (origin.override && origin.file)
                fputs(", then ", file);
        if (origin.file)
                fprintf(file, "%s:%u", origin.file, origin.line);
}

static int print_option(const ConfigOption *option, const void *target, const ConfigParser *parser,
                        char **ret_value, char **ret_origin) {
        FILE *file;
        size_t size;

        file = open_memstream(ret_value, &size);
        if (!file)
                return -errno;
        config_value_print(option, target, file);
        if (fclose(file) == EOF)
                return -ENOMEM;

        file = open_memstream(ret_origin, &size);
        if (!file)
                return -errno;
        write_origin(file, config_parser_get_origin(parser, option));
        return fclose(file) == EOF ? -ENOMEM : 0;
}

static int write_option(FILE *file, const ConfigOption *option, const void *target,
                        const ConfigParser *parser) {
        _cleanup_(freep) char *value = NULL, *origin = NULL;
        int r;

        r = print_option(option, target, parser, &value, &origin);
        if (r < 0)
                return r;
        fprintf(file, "# %s\n# Set by: %s\n%s =%s%s\n", option->help, origin, option->key,
                *value == ';' ? "" : " ", value); /* after a blank it would be a comment */
        return 0;
}

static int list_option(const ConfigOption *option, const void *target, const ConfigParser *parser,
                       ConfigWriterFound found, void *userdata) {
        _cleanup_(freep) char *value = NULL, *origin = NULL;
        int r;

        r = print_option(option, target, parser, &value, &origin);
        if (r == 0)
                found(option, value, origin, userdata);
        return r;
}

int config_writer_list(const ConfigTable *tables, size_t n_tables, const ConfigParser *parser,
                       ConfigWriterFound found, void *userdata) {
        int r = 0;

        for (size_t i = 0; i < n_tables; i++)
                for (size_t j = 0; r == 0 && j < tables[i].n_options; j++)
                        r = list_option(&tables[i].options[j], tables[i].target, parser, found,
                                        userdata);
        return r;
}

int config_writer_write(FILE *file, const ConfigTable *tables, size_t n_tables,
                        const ConfigParser *parser) {
        const char *section = "";
        int r = 0;

        for (size_t i = 0; i < n_tables; i++)
                for (size_t j = 0; r == 0 && j < tables[i].n_options; j++) {
                        const ConfigOption *option = &tables[i].options[j];

                        if (strcmp(section, option->section) != 0)
                                fprintf(file, "%s[%s]\n", *section != '\0' ? "\n" : "",
                                        option->section);
                        section = option->section;
                        r = write_option(file, option, tables[i].target, parser);
                }
        if (r < 0)
                return r;
        return fflush(file) == EOF || ferror(file) ? -EIO : 0;
}
