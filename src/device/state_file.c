/* The configuration's parser, for what nobody but us writes. */

#include "device/state_file.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "config/config_parser.h"

static void complain(const char *file, unsigned line, const char *text, void *userdata) {
        log_warning("%s:%u: %s", file, line, text);
}

int state_file_read(const ConfigTable *table, int fd, const char *name) {
        _cleanup_(config_parser_freep) ConfigParser *parser = NULL;
        int r;

        r = config_parser_new(&parser, table, 1, complain, NULL);
        if (r < 0)
                return r;
        r = config_parser_read_fd(parser, fd, name);
        if (r < 0)
                return r;
        return config_parser_apply(parser);
}

void state_text_add(StateText *text, const char *format, ...) {
        size_t room = text->room - text->size;
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vsnprintf(text->text + text->size, room, format, arguments);
        va_end(arguments);
        assert(n >= 0 && (size_t) n < room);
        text->size += (size_t) n;
}
