#pragma once

/*
 * UsbQuirks
 *
 * What is known to be wrong with a model of device, as a mask, and lists of that. The letters and
 * what they mean are those of the kernel's `usb-storage.quirks=VID:PID:letters`, so that what people
 * have found out for the kernel can be used as it is.
 */

#include "base/macros.h"

typedef enum UsbQuirk {
        USB_QUIRK_SANE_SENSE = 1 << 0,        /* a: sense of more than 18 bytes may be asked for */
        USB_QUIRK_BAD_SENSE = 1 << 1,         /* b: never more than 18 bytes of sense */
        USB_QUIRK_FIX_CAPACITY = 1 << 2,      /* c: it tells one block too many */
        USB_QUIRK_NO_READ_DISC_INFO = 1 << 3, /* d: no READ DISC INFORMATION */
        USB_QUIRK_NO_READ_CAPACITY_16 = 1 << 4, /* e: no READ CAPACITY(16) */
        USB_QUIRK_NO_REPORT_OPCODES = 1 << 5,   /* f: no REPORT SUPPORTED OPERATION CODES */
        USB_QUIRK_MAX_SECTORS_240 = 1 << 6,     /* g: at most 120 KiB in one command */
        USB_QUIRK_CAPACITY_HEURISTICS = 1 << 7, /* h: as c, where the number of blocks is odd */
        USB_QUIRK_IGNORE_DEVICE = 1 << 8,       /* i: the device is left alone */
        USB_QUIRK_NO_REPORT_LUNS = 1 << 9,      /* j: no REPORT LUNS */
        USB_QUIRK_NO_SAME = 1 << 10,            /* k: no WRITE SAME */
        USB_QUIRK_NOT_LOCKABLE = 1 << 11,       /* l: no PREVENT ALLOW MEDIUM REMOVAL */
        USB_QUIRK_MAX_SECTORS_64 = 1 << 12,     /* m: at most 32 KiB in one command */
        USB_QUIRK_INITIAL_READ10 = 1 << 13,     /* n: the first READ may fail, and is repeated */
        USB_QUIRK_CAPACITY_OK = 1 << 14,        /* o: its capacity is right: c and h do not count */
        USB_QUIRK_WRITE_CACHE = 1 << 15,        /* p: it has a write cache, if it does not say so */
        USB_QUIRK_IGNORE_RESIDUE = 1 << 16,     /* r: the residue of a CSW is nonsense */
        USB_QUIRK_SINGLE_LUN = 1 << 17,         /* s: only LUN 0 is there */
        USB_QUIRK_NO_ATA_1X = 1 << 18,          /* t: no ATA PASS-THROUGH */
        USB_QUIRK_IGNORE_UAS = 1 << 19,         /* u: driven by Bulk-Only, though it offers UAS */
        USB_QUIRK_NO_WP_DETECT = 1 << 20,       /* w: what it says of write protection is wrong */
        USB_QUIRK_ALWAYS_SYNC = 1 << 21,        /* y: it has a write cache, whatever it says */
} UsbQuirk;

#define USB_QUIRKS_N 22
#define USB_QUIRKS_ALL ((UINT32_C(1) << USB_QUIRKS_N) - 1)
/* Every letter, and the terminator. */
#define USB_QUIRKS_TEXT_SIZE (USB_QUIRKS_N + 1)

#define USB_QUIRKS_ENTRIES_MAX 4096
#define USB_QUIRKS_FILE_SIZE_MAX MIB

typedef struct UsbQuirksEntry {
        uint16_t vendor_id;
        uint16_t product_id;
        uint32_t quirks; /* UsbQuirk */
        /* Where it stands, for who wants to know. */
        unsigned source; /* in UsbQuirksList::sources */
        unsigned line;
} UsbQuirksEntry;

/* In the order in which they were added: the first one that matches counts, alone. */
typedef struct UsbQuirksList {
        UsbQuirksEntry *entries; /* owned */
        size_t n_entries;
        char **sources; /* owned, as the texts are */
        unsigned n_sources;
} UsbQuirksList;

/* A mistake, as a sentence without its end. Line and column count from 1. */
typedef void (*UsbQuirksComplain)(const char *source, unsigned line, unsigned column,
                                  const char *text, void *userdata);

void usb_quirks_list_done(UsbQuirksList *list);
/*
 * Adds what `text` says: entries VID:PID:letters (hexadecimal; no letters at all is an entry, too:
 * it hides later ones), parted by commas and ends of lines; a comment runs from # to the end of its
 * line. Every mistake is told, and nothing is added if there was one: -EINVAL. -ENOMEM. `complain`
 * may be NULL.
 */
int usb_quirks_list_add(UsbQuirksList *list, const char *source, const char *text, size_t size,
                        UsbQuirksComplain complain, void *userdata);
/* The same of a file. -errno: it can't be read, told as well unless it does not exist. Blocks. */
int usb_quirks_list_add_file(UsbQuirksList *list, const char *path, UsbQuirksComplain complain,
                             void *userdata);
/* 0: none are known. */
uint32_t usb_quirks_list_find(const UsbQuirksList *list, uint16_t vendor_id, uint16_t product_id);
/* "gu", for the log; `text` has room for USB_QUIRKS_TEXT_SIZE, and is returned. */
const char *usb_quirks_format(uint32_t quirks, char *text);
