#pragma once

/*
 * ErrorHandler
 *
 * The ScsiTarget that others use: it classifies what comes back from the ScsiProcessor, retries
 * within the command's deadline, and brings a device that stopped answering back: clear halts,
 * class reset, port reset. A circuit breaker ends resets that do not help. Where there is another
 * transport, one whose recoveries do not last is changed for that.
 */

#include "scsi/scsi_processor.h"

typedef struct ErrorHandler ErrorHandler;

typedef enum ErrorHandlerState {
        ERROR_HANDLER_STATE_NORMAL,
        ERROR_HANDLER_STATE_DRAINING,   /* waiting until nothing is at the transport */
        ERROR_HANDLER_STATE_RECOVERING, /* a step of the ladder runs; commands wait */
        ERROR_HANDLER_STATE_FAILED, /* nothing helped, or the breaker opened: commands fail at once
                                     */
        ERROR_HANDLER_STATE_GONE,
        _ERROR_HANDLER_STATE_MAX,
} ErrorHandlerState;

typedef enum ErrorHandlerEvent {
        /* The device was reset, or may have been: it lost its cache and its modes. Also when it told
         * that it lost a write. */
        ERROR_HANDLER_EVENT_RESET,
        ERROR_HANDLER_EVENT_MEDIUM_CHANGED, /* of `lun`, removable: it went, came or changed */
        /* Of `lun`: it refused a write, or said that its mode parameters have changed. */
        ERROR_HANDLER_EVENT_MODES_CHANGED,
        ERROR_HANDLER_EVENT_TRANSPORT_CHANGED, /* the device answers by the other one */
        ERROR_HANDLER_EVENT_SENSE,             /* of `lun`: the last sense is another one */
        ERROR_HANDLER_EVENT_FAILED,
        ERROR_HANDLER_EVENT_GONE,
        _ERROR_HANDLER_EVENT_MAX,
} ErrorHandlerEvent;

typedef void (*ErrorHandlerNotify)(ErrorHandler *handler, ErrorHandlerEvent event, uint8_t lun,
                                   void *userdata);

typedef struct ErrorHandlerStatistics {
        uint64_t n_retries;
        uint64_t n_lun_retries[SCSI_PROCESSOR_LUNS_MAX];
        uint64_t n_steps[_TRANSPORT_RECOVERY_MAX];      /* of recovery, that were tried */
        uint64_t n_recoveries[_TRANSPORT_RECOVERY_MAX]; /* by the step that helped */
        uint64_t n_recoveries_failed;
        uint64_t n_transport_changes;
        uint64_t n_wakes; /* START STOP UNIT to what had stopped */
} ErrorHandlerStatistics;

/*
 * Another transport for the device, started, after its port was reset; the one before is not used
 * any more and may be freed. -EOPNOTSUPP: there is none, and nothing was done; -ENODEV: gone;
 * -ECANCELED; -EIO: it could not be started. `why` is a literal for the log. From a recovery's task.
 */
typedef int (*ErrorHandlerChangeTransport)(Task *task, const char *why, Transport **ret,
                                           void *userdata);

typedef struct ErrorHandlerOptions {
        unsigned n_retries_max; /* of one command, for failures that count; 0: default (5) */
        unsigned n_resets_per_minute_max; /* the circuit breaker; 0: default (10) */
        bool is_removable; /* UNIT ATTENTION 28h is told instead of retried: of units of which
                              nothing else was said */
        ErrorHandlerChangeTransport change_transport; /* NULL: there is no other */
        /* Borrowed: it counts on from what is in there. NULL: it has its own. */
        ErrorHandlerStatistics *statistics;
} ErrorHandlerOptions;

/*
 * `processor` and `transport` are borrowed and must outlive it. `notify` may be NULL; it is called
 * from the loop and may submit commands, but must not free the handler.
 */
int error_handler_new(ErrorHandler **ret, ScsiProcessor *processor, Transport *transport,
                      const ErrorHandlerOptions *options, ErrorHandlerNotify notify,
                      void *userdata);
/* Idle, see error_handler_is_idle(). */
ErrorHandler *error_handler_free(ErrorHandler *handler);
DEFINE_CLEANUP(ErrorHandler *, error_handler_free);
ScsiTarget *error_handler_get_target(ErrorHandler *handler);
ErrorHandlerState error_handler_get_state(const ErrorHandler *handler);
/* Once bring-up knows it: a fixed disk that says 28h has just become ready, so it is retried. */
void error_handler_set_removable(ErrorHandler *handler, uint8_t lun, bool is_removable);
/* When a command last succeeded that is use of the unit; 0: none did. TEST UNIT READY is not, nor is
 * what is asked aside. */
uint64_t error_handler_get_good_ns(const ErrorHandler *handler, uint8_t lun);
/* What a command of the LUN was told last, but for what is not known to be missing; NULL: nothing. */
const ScsiSense *error_handler_get_last_sense(const ErrorHandler *handler, uint8_t lun);
/*
 * Resets the device as if a command of `lun` had broken it, from `step` of the ladder on: what is
 * under way is sent again. -EAGAIN: it is being recovered anyway; -EIO: given up; -ENODEV. It has
 * ended when the state is NORMAL, FAILED or GONE.
 */
int error_handler_reset(ErrorHandler *handler, uint8_t lun, TransportRecovery step);
/* The processor takes more or fewer commands at once than before. */
void error_handler_note_depth(ErrorHandler *handler);
/* No command and no recovery is in progress. */
bool error_handler_is_idle(const ErrorHandler *handler);
/* The device was unplugged: everything ends with GONE. */
void error_handler_set_gone(ErrorHandler *handler);
const ErrorHandlerStatistics *error_handler_get_statistics(const ErrorHandler *handler);
