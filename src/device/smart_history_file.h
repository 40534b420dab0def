#pragma once

/*
 * SmartHistoryFile
 *
 * A SmartHistory as a file of the state folder, named by the drive's model and serial number, which are
 * its word: names are made harmless, and whose file it is tells a sum of both in it.
 */

#include "device/smart_history.h"
#include "device/state_store.h"

#define SMART_HISTORY_FOLDER_NAME "smart"
#define SMART_HISTORY_FILES_MAX 256
#define SMART_HISTORY_FILE_SIZE_MAX (64 * KIB)
#define SMART_HISTORY_NAME_SIZE (SMART_MODEL_SIZE + SMART_SERIAL_SIZE + 8)

typedef struct SmartHistoryFile {
        char name[SMART_HISTORY_NAME_SIZE]; /* "": none, the drive tells no serial number */
        uint64_t identity;
} SmartHistoryFile;

void smart_history_file_init(SmartHistoryFile *file, const SmartData *data);
bool smart_history_file_is_equal(const SmartHistoryFile *a, const SmartHistoryFile *b);
/* Takes a whole text from `fd`, which is borrowed; `path` is for the log. -EINVAL: there are mistakes, or
 * it is another drive's; -ENOMEM, -errno. */
int smart_history_file_read(const SmartHistoryFile *file, int fd, const char *path,
                            SmartHistory *ret);
/* Returns the size. */
size_t smart_history_file_format(const SmartHistoryFile *file, const SmartHistory *history,
                                 char text[static SMART_HISTORY_FILE_SIZE_MAX]);
/* False: there is none, or it is another drive's, and `ret` is empty. */
bool smart_history_file_load(const SmartHistoryFile *file, StateStore *store, SmartHistory *ret);
/* Failure is told in the log. */
void smart_history_file_save(const SmartHistoryFile *file, StateStore *store,
                             const SmartHistory *history);
