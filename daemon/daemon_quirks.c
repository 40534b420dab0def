/* Reads every source to its end, so that all mistakes are told at once. */

#include <errno.h>
#include <string.h>

#include "daemon_complain.h"
#include "daemon_quirks.h"

bool daemon_quirks_is_entry(const char *text) {
        UsbQuirksList list = { 0 };
        bool is_entry;

        is_entry = usb_quirks_list_add(&list, "", text, strlen(text), NULL, NULL) == 0 &&
                   list.n_entries == 1;
        usb_quirks_list_done(&list);
        return is_entry;
}

static int add_file(UsbQuirksList *list, const char *path, bool is_optional, DaemonComplain *to) {
        int r;

        if (!path || path[0] == '\0')
                return 0;
        r = usb_quirks_list_add_file(list, path, daemon_complain_with_column, to);
        return daemon_complain_missing(to, path, r, is_optional);
}

/* The first failure is what counts. */
static void note(int *result, int r) {
        if (*result == 0)
                *result = r;
}

int daemon_quirks_load(UsbQuirksList *list, const DaemonQuirksSources *sources,
                       ConfigComplain complain, void *userdata) {
        DaemonComplain to = { complain, userdata };
        int result = 0;

        for (size_t i = 0; sources->configured && sources->configured[i]; i++) {
                const char *text = sources->configured[i];

                note(&result, usb_quirks_list_add(list, "quirks", text, strlen(text),
                                                  daemon_complain_with_column, &to));
        }
        note(&result, add_file(list, sources->path, /* is_optional= */ false, &to));
        note(&result, add_file(list, sources->shipped_path, /* is_optional= */ true, &to));
        return result;
}
