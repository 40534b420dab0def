#pragma once

/*
 * ScsiProcessor
 *
 * The ScsiTarget at the bottom: queues commands, keeps the transport's depth filled, fair among
 * LUNs, drops what is past its deadline before it was sent, and fetches the sense of what failed
 * (auto-sense). It does not retry and does not recover: while the device needs recovery it is
 * paused by who does. Validating, it sends nothing that disagrees with the table of commands: such
 * a command ends with INVALID.
 */

#include "base/storage_histogram.h"
#include "scsi/scsi_disk.h"
#include "scsi/scsi_history.h"

#define SCSI_PROCESSOR_LUNS_MAX 16
#define SCSI_PROCESSOR_QUEUE_MAX 4096

typedef struct ScsiProcessor ScsiProcessor;

/* Of commands that were sent, whoever sent them. */
typedef struct ScsiLunStatistics {
        StorageHistogram latency;           /* from submit to the result */
        StorageHistogram transport_latency; /* of that, from sending to the status */
        uint64_t n_timeouts;
        uint64_t n_check_conditions[_SCSI_SENSE_KEY_MAX];
} ScsiLunStatistics;

typedef struct ScsiProcessorStatistics {
        uint64_t n_commands;
        uint64_t n_check_conditions;
        uint64_t n_transport_errors;
        uint64_t n_timeouts;
        uint64_t n_invalid; /* not sent, as they did not agree with the table of commands */
        ScsiLunStatistics luns[SCSI_PROCESSOR_LUNS_MAX];
} ScsiProcessorStatistics;

typedef enum ScsiSenseLength {
        SCSI_SENSE_LENGTH_LEARNED, /* 18 bytes, more once the device tells that it has more */
        SCSI_SENSE_LENGTH_SHORT,   /* 18 bytes */
        SCSI_SENSE_LENGTH_LONG,    /* more, as long as the device bears it */
        _SCSI_SENSE_LENGTH_MAX,
} ScsiSenseLength;

typedef struct ScsiProcessorOptions {
        uint32_t refusals; /* ScsiRefusal: what the device must not see */
        ScsiSenseLength sense_length;
        bool is_validating;
        size_t n_commands_kept; /* of its ScsiCommandPool */
        bool is_serial;         /* one command at a time, whatever the transport could take */
        /* Borrowed: it counts on from what is in there. NULL: it has its own. */
        ScsiProcessorStatistics *statistics;
        ScsiHistory *history; /* borrowed: likewise; NULL: none is kept */
} ScsiProcessorOptions;

/* `transport` is borrowed and must outlive it. `options` NULL: all zeroes. */
int scsi_processor_new(ScsiProcessor **ret, Transport *transport,
                       const ScsiProcessorOptions *options);
/* Nothing is queued or in flight. */
ScsiProcessor *scsi_processor_free(ScsiProcessor *processor);
DEFINE_CLEANUP(ScsiProcessor *, scsi_processor_free);
ScsiTarget *scsi_processor_get_target(ScsiProcessor *processor);
/* Of the options those that can change: `is_validating`, `n_commands_kept`, `is_serial`. Others are as
 * they were. */
void scsi_processor_set_options(ScsiProcessor *processor, const ScsiProcessorOptions *options);
/* What commands to this LUN are validated against; NULL: it has not told yet. */
void scsi_processor_set_unit(ScsiProcessor *processor, uint8_t lun, const ScsiDisk *disk);

/* Paused: only SCSI_COMMAND_RECOVERY commands are sent; others wait, and run into their deadlines.
 */
void scsi_processor_pause(ScsiProcessor *processor);
void scsi_processor_resume(ScsiProcessor *processor);
/*
 * Held: of commands that are no recovery, only SCSI_COMMAND_HOLDER ones are sent, and each alone at
 * the device, so that nothing comes between two of them. One holder at a time; others wait, and run
 * into their deadlines.
 */
void scsi_processor_hold(ScsiProcessor *processor);
/* None of the holder's is left. */
void scsi_processor_release(ScsiProcessor *processor);
bool scsi_processor_is_idle(const ScsiProcessor *processor);
/* Whether nothing is at the transport (others may be queued): what a recovery waits for. */
bool scsi_processor_is_drained(const ScsiProcessor *processor);
/* Takes back whatever is at the transport; it ends as TIMED_OUT, soon. */
void scsi_processor_give_up(ScsiProcessor *processor);
/* Another one for the same device, which carries as much in one command. Nothing is at the old one,
 * which is not used any more. */
void scsi_processor_set_transport(ScsiProcessor *processor, Transport *transport);
/* Completes everything queued with `result`, later. */
void scsi_processor_fail_all(ScsiProcessor *processor, ScsiResult result);
/* SHORT or LONG once the device has shown what it bears; LEARNED: not yet. */
ScsiSenseLength scsi_processor_get_sense_length(const ScsiProcessor *processor);
const ScsiProcessorStatistics *scsi_processor_get_statistics(const ScsiProcessor *processor);
