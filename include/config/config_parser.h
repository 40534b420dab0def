#pragma once

/*
 * ConfigParser
 *
 * Reads configuration files into the fields that tables of ConfigOption describe. Every mistake in
 * all files is told, with file and line, and nothing is changed unless there was none. It remembers
 * where each value came from.
 */

#include "config/config_option.h"

/* Of one file. */
#define CONFIG_FILE_SIZE_MAX MIB
#define CONFIG_LINE_SIZE_MAX 4096
#define CONFIG_DROP_INS_MAX 256

typedef struct ConfigParser ConfigParser;

/* Where a value came from; all of it is none: a default. */
typedef struct ConfigOrigin {
        const char *override; /* of config_parser_override(): before, or in place of, the file's */
        const char *file;
        unsigned line;
} ConfigOrigin;

/* A mistake, as a sentence without its end. `line` 0: it concerns the file as a whole. */
typedef void (*ConfigComplain)(const char *file, unsigned line, const char *text, void *userdata);

/* `tables` are borrowed. -ENOMEM. */
int config_parser_new(ConfigParser **ret, const ConfigTable *tables, size_t n_tables,
                      ConfigComplain complain, void *userdata);
ConfigParser *config_parser_free(ConfigParser *parser);
DEFINE_CLEANUP(ConfigParser *, config_parser_free);

/*
 * Reads one file; later ones win. `name` is for complaints, `fd` is borrowed. Mistakes are told and
 * remembered for config_parser_apply(); only what has nothing to do with contents is returned:
 * -ENOMEM, -errno.
 */
int config_parser_read_fd(ConfigParser *parser, int fd, const char *name);
/* Reads `path`, then each `path`.d/NAME.conf in lexical order. What can't be read is a mistake, but
 * not that the file is missing if it `is_optional`. */
int config_parser_read_path(ConfigParser *parser, const char *path, bool is_optional);
/*
 * A value that beats those of all files that were read: the command line's. Of a list, it goes in
 * front of theirs. `name` is for complaints, and borrowed. -ENOMEM.
 */
int config_parser_override(ConfigParser *parser, const char *section, const char *key,
                           const char *text, const char *name);
/* What was read for a STRING, if it was and is good; NULL. Before config_parser_apply(). */
const char *config_parser_peek(const ConfigParser *parser, const ConfigOption *option);
/* Writes what was read into the tables' targets: -EINVAL if any mistake was told, and then nothing
 * is written. Once. */
int config_parser_apply(ConfigParser *parser);
/* Of an option of the tables. Names are borrowed from the parser. */
ConfigOrigin config_parser_get_origin(const ConfigParser *parser, const ConfigOption *option);

/* All of the above. */
int config_parser_load(const ConfigTable *tables, size_t n_tables, const char *path,
                       bool is_optional, ConfigComplain complain, void *userdata);
