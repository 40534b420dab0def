/* Files of a StateStore: see learned_store.h. */

#include <stdio.h>

#include "device/export_name.h"
#include "device/learned_file.h"
#include "device/learned_store.h"
#include "device/state_folder.h"

static_assert(LEARNED_STORE_NAME_SIZE_MAX >= EXPORT_NAME_SIZE_MAX, "a name has its room");
static_assert(LEARNED_STORE_NAME_SIZE_MAX <= STATE_FOLDER_NAME_SIZE_MAX, "and so in the folder");

int learned_store_new(LearnedStore **ret, const char *state_dir) {
        return state_store_new(ret, state_dir, LEARNED_STORE_FOLDER_NAME, LEARNED_STORE_FILES_MAX);
}

LearnedStore *learned_store_free(LearnedStore *store) { return state_store_free(store); }

void learned_store_format_name(char name[static LEARNED_STORE_NAME_SIZE_MAX], uint16_t vendor_id,
                               uint16_t product_id, uint16_t version, const char *serial) {
        char text[LEARNED_STORE_NAME_SIZE_MAX];

        snprintf(text, sizeof(text), "%04x%s%s", version, serial[0] != '\0' ? "-" : "", serial);
        export_name_format(name, vendor_id, product_id, text, "");
}

static int read_facts(int fd, const char *path, void *userdata) {
        return learned_file_read(userdata, fd, path);
}

bool learned_store_load(LearnedStore *store, const char *name, UsbLearnedFacts *ret) {
        *ret = (UsbLearnedFacts){ 0 };
        return state_store_load(store, name, read_facts, ret);
}

int learned_store_save(LearnedStore *store, const char *name, const UsbLearnedFacts *facts) {
        char text[LEARNED_FILE_SIZE_MAX];

        return state_store_save(store, name, text, learned_file_format(facts, text));
}
