#pragma once

/*
 * StateFile
 *
 * A file of the service's own, as a text that people can read, in the syntax of configuration files.
 */

#include "config/config_option.h"

/* Takes a whole text from `fd`, which is borrowed, into what `table` describes; `name` is for the log,
 * which is told each mistake with its line. -EINVAL: there were any; -ENOMEM, -errno. */
int state_file_read(const ConfigTable *table, int fd, const char *name);

/* A text that is being written. Its room is known to be enough. */
typedef struct StateText {
        char *text; /* borrowed */
        size_t room;
        size_t size;
} StateText;

void state_text_add(StateText *text, const char *format, ...) _printf_(2, 3);
