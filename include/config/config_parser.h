#pragma once

/*
 * ConfigParser
 *
 * Reads configuration files into the fields that tables of ConfigOption describe. Every mistake in
 * all files is told, with file and line, and nothing is changed unless there was none.
 */

#include "config/config_option.h"

/* Of one file. */
#define CONFIG_FILE_SIZE_MAX MIB
#define CONFIG_LINE_SIZE_MAX 4096
#define CONFIG_DROP_INS_MAX 256

typedef struct ConfigParser ConfigParser;

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
/* Writes what was read into the tables' targets: -EINVAL if any mistake was told, and then nothing
 * is written. Once. */
int config_parser_apply(ConfigParser *parser);

/* All of the above. */
int config_parser_load(const ConfigTable *tables, size_t n_tables, const char *path,
                       bool is_optional, ConfigComplain complain, void *userdata);
