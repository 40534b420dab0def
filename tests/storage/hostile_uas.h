#pragma once

/*
 * HostileUas
 *
 * What a HostileDevice knows of UAS: which tags it has taken, and what a good device would say of
 * them next. It looks at a command's first byte alone, to tell what data there is to be. Plain data,
 * initially zero.
 */

#include "usb/usb_device.h"

#define HOSTILE_UAS_COMMAND 0x04
#define HOSTILE_UAS_STATUS 0x83
#define HOSTILE_UAS_TAGS_MAX 256

typedef struct HostileUasTag {
        uint64_t taken; /* when, counted in IUs; 0: it is free */
        bool is_management;
        bool is_ready; /* for its data, as was told */
        uint8_t opcode;
} HostileUasTag;

typedef struct HostileUas {
        HostileUasTag tags[HOSTILE_UAS_TAGS_MAX + 1];
        uint64_t n_taken;
} HostileUas;

/* A reset, or another alternate setting. */
void hostile_uas_forget(HostileUas *uas);
/* The host has sent an IU: of what looks like one, its tag is taken. */
void hostile_uas_take(HostileUas *uas, const UsbTransfer *transfer);
/* How soon a good device would serve the transfer, the least first; 0: not now. */
unsigned hostile_uas_rank(const HostileUas *uas, const UsbTransfer *transfer);
/* Fills the status transfer as a good device would; its size. */
size_t hostile_uas_answer(HostileUas *uas, UsbTransfer *transfer);
/* The same with this status and sense. */
size_t hostile_uas_fail(HostileUas *uas, UsbTransfer *transfer, uint8_t status, uint8_t key,
                        uint8_t asc);
/* It was answered with whatever: the tag that it was for is free. */
void hostile_uas_end(HostileUas *uas, const UsbTransfer *transfer);
