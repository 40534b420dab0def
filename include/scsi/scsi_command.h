#pragma once

/*
 * ScsiCommand
 *
 * One command on its way through the stack: who sends it fills the upper part, the layers below
 * complete it once. Plain data; hot paths take theirs from a ScsiCommandPool.
 */

#include "scsi/scsi_cdb.h"
#include "scsi/scsi_result.h"
#include "scsi/scsi_sense.h"
#include "transport/transport.h"

typedef struct ScsiCommand ScsiCommand;

typedef enum ScsiCommandFlags {
        /* Failures are answers here (bring-up, probing): no retries, no recovery of the device's
           sense. */
        SCSI_COMMAND_NO_RETRY = 1 << 0,
        /* Part of a recovery: passes the queue and the gates that are closed for others. */
        SCSI_COMMAND_RECOVERY = 1 << 1,
        /* Its sender has validated it, or knows better. */
        SCSI_COMMAND_VALIDATED = 1 << 2,
        /* Its sender holds the processor: it goes out while others wait, when nothing else is at the
           device. */
        SCSI_COMMAND_HOLDER = 1 << 3,
        /* Nobody uses the device by it: what it is told says nothing of what clients do, nor of how
           their medium is. */
        SCSI_COMMAND_ASIDE = 1 << 4,
        /* Not worth waking the device, and no use of it: BUSY while it sleeps. */
        SCSI_COMMAND_NO_WAKE = 1 << 5,
} ScsiCommandFlags;

/* Where a command is on its way; of the layers below its sender. */
typedef enum ScsiCommandState {
        SCSI_COMMAND_STATE_IDLE, /* with its sender */
        SCSI_COMMAND_STATE_QUEUED,
        SCSI_COMMAND_STATE_IN_FLIGHT,      /* at the transport */
        SCSI_COMMAND_STATE_AWAITING_SENSE, /* failed; the sense of another is being fetched */
        SCSI_COMMAND_STATE_SENSING,        /* failed; its sense is being fetched */
        SCSI_COMMAND_STATE_HELD,           /* did well; others must come back before it is told */
        SCSI_COMMAND_STATE_WAITING,        /* until the error handler tries it again */
        SCSI_COMMAND_STATE_COMPLETED,      /* has its result; the sender does not know yet */
        _SCSI_COMMAND_STATE_MAX,
} ScsiCommandState;

/* Called exactly once per accepted command, never from within submit. */
typedef void (*ScsiCommandDone)(ScsiCommand *command);

struct ScsiCommand {
        /* Set by the sender, constant while in flight:
         * request.{lun,command,command_size,direction,data,size}. */
        TransportRequest request;
        ScsiCommandFlags flags;
        uint64_t deadline_ns;   /* of the loop's clock: for the whole, with queueing and retries;
                                 mandatory */
        size_t actual_size_min; /* a success that moved less is none, and is tried again; then
                                   told as it is. Set by READ and WRITE. */
        uint8_t *raw_sense; /* TRANSPORT_SENSE_SIZE_MAX bytes for the sense as the device sends it;
                               borrowed; NULL: nobody wants it */
        ScsiCommandDone done;
        void *owner; /* the sender's own */

        /* Valid in `done`. */
        ScsiResult result;
        ScsiSense sense; /* if CHECK_CONDITION; no sense at all is told as HARDWARE ERROR 00/00 */
        size_t raw_sense_size; /* 0: none came */
        size_t actual_size;    /* bytes of data that are meaningful */
        bool is_unexplained;   /* CHECK_CONDITION without sense that could be read */
        bool is_too_long;      /* it broke the transport again and again: perhaps for its length */
        bool saw_deferred; /* the device told of an earlier write that failed: there is a cache */

        /* Of the layers below, one after the other. */
        ScsiCommandDone gate_done;      /* the sender's `done` while it is below the gate */
        void *gate;                     /* that has let it through; NULL: none */
        ScsiCommandDone processor_done; /* set by whoever wraps the target: what to call at its own
                                           end */
        void *processor_owner;
        void *processor; /* the ScsiProcessor that has it; borrowed */
        ScsiCommandState state;
        bool was_sent;      /* the device has seen it, or part of it, in the last try */
        bool is_cancelled;  /* its sender gave it up: it is not tried again */
        bool is_given_up;   /* the processor did, so that the device can be recovered */
        bool has_failed;    /* one of its tries did */
        ScsiResult failure; /* how the last one of these ended; GOOD: with too little data */
        unsigned n_tries;   /* of those that count */
        unsigned n_free_tries;
        bool shares_deadline; /* one try gets two thirds of the time left, so that there can be
                                 another one */
        uint64_t retry_ns;    /* WAITING: when it is tried again */
        uint64_t submitted_ns;
        uint64_t sent_ns;
        uint64_t sent_number;  /* in the order in which commands were sent */
        uint64_t fence_number; /* HELD: the last one that is awaited */
        unsigned n_awaited;    /* HELD: those of its LUN up to that one */
        bool must_repeat;      /* HELD: one of them did not tell how it ended */
        ListNode node;         /* of the queue or list that it is in */
};

/* Resets everything; `deadline_ns` is of the loop's clock. */
void scsi_command_init(ScsiCommand *command, uint8_t lun, uint64_t deadline_ns);

/* Builders: set command, command_size, direction, size. Data is attached with
 * scsi_command_set_data(). */
void scsi_command_set_cdb(ScsiCommand *command, const uint8_t *cdb, size_t cdb_size);
void scsi_command_set_data(ScsiCommand *command, TransportDirection direction, void *data,
                           size_t size);
void scsi_command_test_unit_ready(ScsiCommand *command);
void scsi_command_inquiry(ScsiCommand *command, void *data, size_t size);
void scsi_command_inquiry_vpd(ScsiCommand *command, uint8_t page, void *data, size_t size);
void scsi_command_request_sense(ScsiCommand *command, void *data, size_t size);
void scsi_command_read_capacity_10(ScsiCommand *command, void *data);
void scsi_command_read_capacity_16(ScsiCommand *command, void *data, size_t size);
void scsi_command_read_format_capacities(ScsiCommand *command, void *data, size_t size);
void scsi_command_mode_sense_6(ScsiCommand *command, uint8_t page, void *data, size_t size);
void scsi_command_mode_sense_10(ScsiCommand *command, uint8_t page, void *data, size_t size);
void scsi_command_get_configuration(ScsiCommand *command, void *data, size_t size);
/* Of one feature alone. */
void scsi_command_get_feature(ScsiCommand *command, uint16_t feature, void *data, size_t size);
void scsi_command_read_disc_information(ScsiCommand *command, void *data, size_t size);
/* All tracks, by LBA. */
void scsi_command_read_toc(ScsiCommand *command, void *data, size_t size);
/* Of the media class, without waiting for one. */
void scsi_command_get_media_event(ScsiCommand *command, void *data, size_t size);
void scsi_command_start_stop(ScsiCommand *command, bool start, bool load_eject, bool immediate);
void scsi_command_prevent_removal(ScsiCommand *command, bool prevent);
/* READ and WRITE choose the 10-byte form where it reaches, else 16. `n_blocks` > 0. */
void scsi_command_read(ScsiCommand *command, uint64_t lba, uint32_t n_blocks, void *data,
                       size_t size);
void scsi_command_write(ScsiCommand *command, uint64_t lba, uint32_t n_blocks, bool fua, void *data,
                        size_t size);
/* The whole medium. */
void scsi_command_synchronize_cache(ScsiCommand *command);
/* One range; `data` has room for SCSI_UNMAP_DATA_SIZE. */
#define SCSI_UNMAP_DATA_SIZE 24
void scsi_command_unmap(ScsiCommand *command, uint64_t lba, uint32_t n_blocks, void *data);
/* `data` is one block of zeroes. */
void scsi_command_write_same(ScsiCommand *command, uint64_t lba, uint32_t n_blocks, bool unmap,
                             void *data, size_t block_size);
void scsi_command_get_lba_status(ScsiCommand *command, uint64_t lba, void *data, size_t size);
void scsi_command_report_luns(ScsiCommand *command, void *data, size_t size);
