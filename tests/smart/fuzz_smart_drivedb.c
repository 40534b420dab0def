/* Fuzz target: any text as a table of bridges, and its first line as a pattern. What was taken in
   keeps the promises of its structure, whoever asks for whatever. */

#include <string.h>

#include "base/macros.h"
#include "smart/smart_drivedb.h"
#include "smart/smart_pattern.h"

#define PATTERN_SIZE_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_entry(const SmartDrivedbEntry *entry) {
        assert(strnlen(entry->ids, sizeof(entry->ids)) < sizeof(entry->ids));
        assert(strnlen(entry->bcd, sizeof(entry->bcd)) < sizeof(entry->bcd));
        assert(entry->ids[0] != '\0');
        assert(entry->bridge.kind < _SMART_BRIDGE_KIND_MAX);
        assert(entry->bridge.port >= -1 && entry->bridge.port <= 1);
}

static void fuzz_pattern(const uint8_t *data, size_t size) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t n = MIN(end ? (size_t) (end - data) : size, (size_t) PATTERN_SIZE_MAX);
        _cleanup_(freep) char *pattern = strndup((const char *) data, n);

        if (!pattern)
                return;
        (void) smart_pattern_matches(pattern, "");
        (void) smart_pattern_matches(pattern, "0x152d:0x0583");
        /* What is given is compared byte by byte where nothing in it is special. */
        if (strlen(pattern) <= SMART_PATTERN_TEXT_SIZE_MAX && !strpbrk(pattern, "()[].*+?|{}^$\\"))
                assert(smart_pattern_matches(pattern, pattern));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        SmartDrivedb db = { 0 };
        SmartBridge bridge;

        fuzz_pattern(data, size);
        if (smart_drivedb_add(&db, (const char *) data, size) < 0)
                assert(db.n_entries == 0);
        for (size_t i = 0; i < db.n_entries; i++)
                check_entry(&db.entries[i]);
        if (smart_drivedb_find(&db, &bridge, 0x152D, 0x0583, 0x0100)) {
                assert(db.n_entries > 0);
                assert(bridge.kind < _SMART_BRIDGE_KIND_MAX);
        }
        smart_drivedb_done(&db);
        return 0;
}
