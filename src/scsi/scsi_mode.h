#pragma once

/*
 * ScsiMode
 *
 * MODE SENSE data (SPC-4, "Mode parameters"): the header's flags, and what a caching page tells.
 * Plain data.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCSI_MODE_PAGE_ALL 0x3F
/* What Windows asks for, so what devices are tested with. */
#define SCSI_MODE_SIZE 192

typedef struct ScsiMode {
        bool is_read_only; /* WP */
        bool has_fua;      /* DPOFUA */
        bool has_cache_page;
        bool has_write_cache; /* WCE; of RBC devices not WCD */
} ScsiMode;

/* `is_10` tells which MODE SENSE it was. -EBADMSG: not even a header. */
int scsi_mode_parse(ScsiMode *ret, const uint8_t *bytes, size_t size, bool is_10,
                    uint8_t device_type);
