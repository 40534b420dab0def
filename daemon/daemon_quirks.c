/* Reads every source to its end, so that all mistakes are told at once. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon_quirks.h"

#define COMPLAINT_SIZE_MAX 1024

typedef struct QuirksComplain {
        ConfigComplain complain;
        void *userdata;
} QuirksComplain;

static void complain_with_column(const char *source, unsigned line, unsigned column,
                                 const char *text, void *userdata) {
        const QuirksComplain *to = userdata;
        char complaint[COMPLAINT_SIZE_MAX];

        snprintf(complaint, sizeof(complaint), "column %u: %s", column, text);
        to->complain(source, line, complaint, to->userdata);
}

bool daemon_quirks_is_entry(const char *text) {
        UsbQuirksList list = { 0 };
        bool is_entry;

        is_entry = usb_quirks_list_add(&list, "", text, strlen(text), NULL, NULL) == 0 &&
                   list.n_entries == 1;
        usb_quirks_list_done(&list);
        return is_entry;
}

static int add_file(UsbQuirksList *list, const char *path, bool is_optional, QuirksComplain *to) {
        int r;

        if (!path || path[0] == '\0')
                return 0;
        r = usb_quirks_list_add_file(list, path, complain_with_column, to);
        if (r != -ENOENT)
                return r;
        if (is_optional)
                return 0;
        to->complain(path, 0, strerror(ENOENT), to->userdata);
        return r;
}

/* The first failure is what counts. */
static void note(int *result, int r) {
        if (*result == 0)
                *result = r;
}

int daemon_quirks_load(UsbQuirksList *list, const DaemonQuirksSources *sources,
                       ConfigComplain complain, void *userdata) {
        QuirksComplain to = { complain, userdata };
        int result = 0;

        for (size_t i = 0; sources->configured && sources->configured[i]; i++) {
                const char *text = sources->configured[i];

                note(&result, usb_quirks_list_add(list, "quirks", text, strlen(text),
                                                  complain_with_column, &to));
        }
        note(&result, add_file(list, sources->path, /* is_optional= */ false, &to));
        note(&result, add_file(list, sources->shipped_path, /* is_optional= */ true, &to));
        return result;
}
