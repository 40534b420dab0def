/* Texts as a file of quirks: what was taken in is what can be found again. */

#include <assert.h>

#include "usb/usb_quirks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_mistake(const char *source, unsigned line, unsigned column, const char *text,
                       void *userdata) {
        unsigned *n_mistakes = userdata;

        assert(line > 0 && column > 0 && text[0] != '\0');
        (*n_mistakes)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        UsbQuirksList list = { 0 };
        unsigned n_mistakes = 0;
        int r;

        r = usb_quirks_list_add(&list, "fuzz", (const char *) data, size, on_mistake, &n_mistakes);
        assert((r == 0) == (n_mistakes == 0));
        assert(r == 0 || list.n_entries == 0);
        for (size_t i = 0; i < list.n_entries; i++) {
                const UsbQuirksEntry *entry = &list.entries[i];
                char text[USB_QUIRKS_TEXT_SIZE];

                assert((entry->quirks & ~USB_QUIRKS_ALL) == 0);
                assert(usb_quirks_list_find(&list, entry->vendor_id, entry->product_id) ==
                       entry->quirks);
                usb_quirks_format(entry->quirks, text);
        }
        usb_quirks_list_done(&list);
        return 0;
}
