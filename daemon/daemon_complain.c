/* With the column in the text. */

#include "daemon_complain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COMPLAINT_SIZE_MAX 1024

void daemon_complain_with_column(const char *source, unsigned line, unsigned column,
                                 const char *text, void *userdata) {
        const DaemonComplain *to = userdata;
        char complaint[COMPLAINT_SIZE_MAX];

        snprintf(complaint, sizeof(complaint), "column %u: %s", column, text);
        to->complain(source, line, complaint, to->userdata);
}

int daemon_complain_missing(const DaemonComplain *to, const char *path, int r, bool is_optional) {
        if (r != -ENOENT)
                return r;
        if (is_optional)
                return 0;
        to->complain(path, 0, strerror(ENOENT), to->userdata);
        return r;
}
