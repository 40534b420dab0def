#pragma once

/*
 * CacheIdentity
 *
 * Whose data it is: what a logical unit tells of itself that does not change with the port or the
 * bus's speed, and samples of what was on its medium. Data of a cache goes back only to the unit
 * and the medium that it came from (DESIGN section 6). Plain data, stored in arenas as it is.
 */

#include "scsi/scsi_disk.h"
#include "usb/usb_descriptors.h"

#define CACHE_SAMPLES_MAX 64

typedef struct CacheIdentity {
        uint16_t vendor_id;
        uint16_t product_id;
        uint32_t block_size;
        uint64_t n_blocks;
        char usb_serial[128]; /* all strings are NUL-terminated and padded with NULs */
        char vendor[16];
        char product[24];
        char unit_serial[72]; /* VPD 80 */
        char identifier[72];  /* VPD 83 */
} CacheIdentity;

/* Bytes of the medium as they were when it was brought up. */
typedef struct CacheSample {
        uint64_t offset;
        uint32_t size;   /* 0: none */
        uint32_t unused; /* 0 */
        uint64_t sum;    /* XXH3 */
} CacheSample;

void cache_identity_init(CacheIdentity *identity, const UsbDescriptors *descriptors,
                         const char *usb_serial, const ScsiDisk *disk);
bool cache_identity_is_equal(const CacheIdentity *a, const CacheIdentity *b);
/* They may be the same unit's: equal, but for numbers (VPD 80, 83) that one of them lacks, as units
 * do not always answer when they are asked for these; nor did arenas always have the USB serial. */
bool cache_identity_may_be_same(const CacheIdentity *a, const CacheIdentity *b);
/* What came from an arena: terminated strings, a block size that can be, a size that can be. */
bool cache_identity_is_sane(const CacheIdentity *identity);
