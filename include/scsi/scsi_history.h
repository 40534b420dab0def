#pragma once

/*
 * ScsiHistory
 *
 * The last commands that a device was sent, for who wants to know what went before a failure. A ring
 * in one piece of memory: to note a command allocates nothing and reads no clock. Initially zero.
 */

#include <stdio.h>

#include "scsi/scsi_command.h"

#define SCSI_HISTORY_SIZE 64

typedef struct ScsiHistoryEntry {
        uint64_t ended_ns;
        uint64_t duration_ns; /* since it was sent, with the time that its sense took */
        ScsiSense sense;      /* with CHECK_CONDITION */
        ScsiResult result;
        uint32_t size;        /* of data that was to be moved */
        uint32_t actual_size; /* that was */
        TransportDirection direction;
        uint8_t cdb[SCSI_CDB_SIZE_MAX];
        uint8_t cdb_size;
        uint8_t lun;
        bool is_unexplained; /* no sense came with CHECK_CONDITION */
} ScsiHistoryEntry;

typedef struct ScsiHistory {
        ScsiHistoryEntry entries[SCSI_HISTORY_SIZE];
        uint64_t n; /* all that were noted; the last of them are there */
} ScsiHistory;

/* One try of a command that was sent and has its result. */
void scsi_history_note(ScsiHistory *history, const ScsiCommand *command, uint64_t now_ns);
/* From 0, the oldest that is there; NULL: there are no more. */
const ScsiHistoryEntry *scsi_history_get(const ScsiHistory *history, size_t index);
/* A line for each: "1.250 s ago, unit 0: READ(10), block 2048, 4096 bytes in: good in 0.080 ms [28 00
 * …]". */
void scsi_history_write(const ScsiHistory *history, uint64_t now_ns, FILE *file);
