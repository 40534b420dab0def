/* Bytes as the file of a drive's history: what was taken in is valid, has words, and is the same when
 * it is written and read again. */

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "device/smart_history_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_log(const LogRecord *record, void *userdata) {}

static int read_bytes(const SmartHistoryFile *file, const void *bytes, size_t size,
                      SmartHistory *ret) {
        _cleanup_(fd_closep) int fd = memfd_create("history", MFD_CLOEXEC);

        assert(fd >= 0 && pwrite(fd, bytes, size, 0) == (ssize_t) size);
        return smart_history_file_read(file, fd, "fuzz", ret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static char text[SMART_HISTORY_FILE_SIZE_MAX];
        char words[SMART_HISTORY_WORDS_SIZE];
        SmartHistory history, again;
        SmartHistoryFile file;
        SmartData drive;

        log_set_sink(on_log, NULL);
        smart_data_init(&drive, SMART_KIND_ATA);
        strcpy(drive.identity.model, "Some Drive");
        strcpy(drive.identity.serial, "S/N");
        smart_history_file_init(&file, &drive);
        if (read_bytes(&file, data, size, &history) < 0)
                return 0;
        assert(smart_history_is_valid(&history));
        smart_history_describe(&history, words);
        assert(strlen(words) < sizeof(words));
        size = smart_history_file_format(&file, &history, text);
        assert(read_bytes(&file, text, size, &again) == 0);
        assert(again.n_samples == history.n_samples);
        assert(memcmp(again.samples, history.samples,
                      history.n_samples * sizeof(history.samples[0])) == 0);
        return 0;
}
