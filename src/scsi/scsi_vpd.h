#pragma once

/*
 * ScsiVpd
 *
 * Vital product data (SPC-4, 7.8 and SBC-3, 6.6), page by page, into what a ScsiDisk says of them.
 */

#include "scsi/scsi_disk.h"

#define SCSI_VPD_HEADER_SIZE 4
/* A page is asked for with at most this: some devices take the length for a single byte. */
#define SCSI_VPD_SIZE_MAX 252

#define SCSI_VPD_PAGE_SUPPORTED 0x00
#define SCSI_VPD_PAGE_SERIAL 0x80
#define SCSI_VPD_PAGE_IDENTIFICATION 0x83
#define SCSI_VPD_PAGE_LIMITS 0xB0
#define SCSI_VPD_PAGE_CHARACTERISTICS 0xB1
#define SCSI_VPD_PAGE_PROVISIONING 0xB2

/* The whole page's size as its header claims, cut to SCSI_VPD_SIZE_MAX; -EBADMSG: not that page. */
int scsi_vpd_parse_header(size_t *ret_size, uint8_t page, const uint8_t *bytes, size_t size);
/* Of page 00. */
bool scsi_vpd_is_listed(uint8_t page, const uint8_t *bytes, size_t size);

/* Of each of the others; `disk` has its block size. Unknown pages are ignored. */
void scsi_vpd_parse(ScsiDisk *disk, uint8_t page, const uint8_t *bytes, size_t size);
