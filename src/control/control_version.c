/* A number on the command line: see control_version.h. */

#include "control/control_version.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/control_message.h"

void control_version_format(char text[static CONTROL_VERSION_TEXT_SIZE]) {
        snprintf(text, CONTROL_VERSION_TEXT_SIZE, "%d", CONTROL_VERSION);
}

int control_version_check(int argc, char **argv) {
        char text[CONTROL_VERSION_TEXT_SIZE];

        control_version_format(text);
        if (argc == 2 && strcmp(argv[1], text) == 0)
                return 0;
        fprintf(stderr,
                "%s: only usb-storaged of the same release starts this: messages have version %s, "
                "not %s\n",
                argc > 0 ? argv[0] : "", text, argc == 2 ? argv[1] : "none");
        return -EPROTO;
}
