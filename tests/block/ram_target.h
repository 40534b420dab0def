#pragma once

/*
 * RamTarget
 *
 * A ScsiTarget with a disk in memory, written from SBC-3 for the tests of block: it answers the
 * commands that a Lun sends, and may hold, delay, reorder, fail and refuse them. It keeps a journal
 * of what came.
 */

#include <check.h>

#include "base/random.h"
#include "base/virtual_event_loop.h"
#include "scsi/scsi_disk.h"

#define RAM_TARGET_JOURNAL_MAX 4096
#define RAM_TARGET_COMMANDS_KEPT 4

/* A command as the journal has it. */
typedef struct RamCommand {
        uint8_t opcode;
        uint64_t lba;
        uint32_t n_blocks;
        bool flag; /* FUA of a WRITE, UNMAP of a WRITE SAME */
        size_t data_size;
        uint64_t deadline_ns;
        const void *data; /* for telling zero copy; dangling */
} RamCommand;

/* What becomes of the next command with that operation code (any: -1), once. */
typedef struct RamFault {
        int opcode;
        ScsiResult result;
        ScsiSense sense;
        size_t actual_size; /* bytes that are transferred none the less */
        unsigned skip;      /* so many such commands first */
} RamFault;

typedef struct RamTarget {
        ScsiTarget target;
        ScsiDisk disk;
        uint8_t *memory;     /* owned */
        uint8_t *persistent; /* owned: what a power cut would leave */
        Random random;

        /* What it does; change at will. */
        bool is_held;
        uint64_t delay_ns_max;
        size_t transfer_size_limit; /* NO_MEMORY beyond; 0: none */
        uint8_t unknown[4];         /* operation codes that it does not know; 0: none */
        bool rejects_fua;
        uint64_t bad_lba;     /* READ and WRITE fail there; 0: none is bad */
        uint64_t bad_lba_ns;  /* how long that takes */
        bool is_bad_lba_told; /* by the INFORMATION field */
        uint64_t told_lba;    /* what it tells instead; 0: the truth */
        RamFault faults[8];
        size_t n_faults;

        RamCommand journal[RAM_TARGET_JOURNAL_MAX];
        size_t n_commands;
        size_t n_in_flight;
        size_t n_in_flight_highest;
        ListNode queue; /* ScsiCommand::node, in the order of completion */
        EventDefer defer;
        EventTimer timer;
} RamTarget;

/* A disk of `n_blocks` that can everything; `target.disk` may be changed before a Lun is made. */
void ram_target_init(RamTarget *target, EventLoop *loop, uint64_t n_blocks, uint32_t block_size);
void ram_target_done(RamTarget *target);
/* Lets go of what it held; `n` 0: of all, else of so many, and holds on. */
void ram_target_release(RamTarget *target, size_t n);
void ram_target_add_fault(RamTarget *target, RamFault fault);
/* How many commands with that operation code came. */
size_t ram_target_count(const RamTarget *target, uint8_t opcode);
