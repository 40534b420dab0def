/* Reads every source to its end, so that all mistakes are told at once. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon_quirks.h"

static void complain(const char *source, unsigned line, unsigned column, const char *text,
                     void *userdata) {
        fprintf(stderr, "%s:%u:%u: %s\n", source, line, column, text);
}

bool daemon_quirks_is_entry(const char *text) {
        UsbQuirksList list = { 0 };
        bool is_entry;

        is_entry = usb_quirks_list_add(&list, "", text, strlen(text), NULL, NULL) == 0 &&
                   list.n_entries == 1;
        usb_quirks_list_done(&list);
        return is_entry;
}

static int add_text(UsbQuirksList *list, const char *source, const char *text) {
        return usb_quirks_list_add(list, source, text, strlen(text), complain, NULL);
}

static int add_file(UsbQuirksList *list, const char *path, bool is_optional) {
        int r;

        if (!path)
                return 0;
        r = usb_quirks_list_add_file(list, path, complain, NULL);
        if (r != -ENOENT)
                return r;
        if (is_optional)
                return 0;
        fprintf(stderr, "%s: %s\n", path, strerror(ENOENT));
        return r;
}

/* The first failure is what counts. */
static void note(int *result, int r) {
        if (*result == 0)
                *result = r;
}

int daemon_quirks_load(DaemonOptions *options, const DaemonQuirksSources *sources) {
        UsbQuirksList *list = &options->quirks_list;
        int result = 0;

        for (size_t i = 0; i < options->n_quirks; i++)
                note(&result, add_text(list, "--quirks", options->quirks[i]));
        for (size_t i = 0; sources->configured && sources->configured[i]; i++)
                note(&result, add_text(list, "quirks", sources->configured[i]));
        note(&result, add_file(list, sources->path, /* is_optional= */ false));
        note(&result, add_file(list, sources->shipped_path, /* is_optional= */ true));
        if (result < 0)
                return result;
        options->device_manager.quirks = list;
        return 0;
}
