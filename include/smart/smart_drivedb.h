#pragma once

/*
 * SmartDrivedb
 *
 * Which model of bridge is of which kind, out of the text of smartmontools' drivedb.h. Of its
 * entries those for USB count, whose five strings are "USB: DEVICE; BRIDGE", a pattern for
 * "0xVID:0xPID", one for bcdDevice or nothing, nothing, and "-d TYPE" or nothing.
 */

#include "base/macros.h"
#include "smart/smart_bridge.h"

#define SMART_DRIVEDB_TEXT_SIZE_MAX (4 * MIB)
#define SMART_DRIVEDB_ENTRIES_MAX 2048
#define SMART_DRIVEDB_PATTERN_SIZE 256
#define SMART_DRIVEDB_BCD_SIZE 64

typedef struct SmartDrivedbEntry {
        char ids[SMART_DRIVEDB_PATTERN_SIZE];
        char bcd[SMART_DRIVEDB_BCD_SIZE]; /* empty: any */
        SmartBridge bridge;               /* NONE: it is known to carry nothing */
} SmartDrivedbEntry;

/* Of several texts the first one counts. Zeroes are an empty one. */
typedef struct SmartDrivedb {
        size_t n_entries;
        SmartDrivedbEntry *entries; /* owned */
} SmartDrivedb;

/*
 * What is no entry, or one of a type that is not known here, is passed over. -EFBIG: the text is too
 * long, or has too many entries; then, and when -ENOMEM, nothing of it counts.
 */
int smart_drivedb_add(SmartDrivedb *db, const char *text, size_t size);
void smart_drivedb_done(SmartDrivedb *db);
/*
 * An entry whose pattern for bcdDevice fits counts most, then the first one without such a pattern,
 * then those that are for another bcdDevice, if they agree. False: there is nothing about it.
 */
bool smart_drivedb_find(const SmartDrivedb *db, SmartBridge *ret, uint16_t vendor_id,
                        uint16_t product_id, uint16_t device_bcd);
