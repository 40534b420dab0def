#pragma once

/*
 * ConfigWriter
 *
 * Writes what tables have in their fields as a configuration file, with what each key is for and
 * where its value came from in a comment above it. What it writes can be read.
 */

#include <stdio.h>

#include "config/config_parser.h"

typedef void (*ConfigWriterFound)(const ConfigOption *option, const char *value, const char *origin,
                                  void *userdata);

/* Tells each key with its value as a file would have it, and where that came from ("default",
 * "/etc/…:7"); texts are borrowed. -ENOMEM. */
int config_writer_list(const ConfigTable *tables, size_t n_tables, const ConfigParser *parser,
                       ConfigWriterFound found, void *userdata);
/* `parser`: where values came from. -EIO, -ENOMEM. */
int config_writer_write(FILE *file, const ConfigTable *tables, size_t n_tables,
                        const ConfigParser *parser);
