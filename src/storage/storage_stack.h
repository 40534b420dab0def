#pragma once

/*
 * StorageStack
 *
 * What stands on one attachment of the device and goes with it: transport, processor, error
 * handler, and the gate. When the device comes back after an unplug, it gets another one.
 */

#include "error/error_handler.h"
#include "power/power_manager.h"
#include "scsi/scsi_bring_up.h"
#include "storage/storage_quirks.h"
#include "usb/usb_device.h"
#include "usb/usb_storage_device.h"

typedef struct StorageStack StorageStack;

/* What its layers count and note, over all attachments of the device. Plain data, initially zero. */
typedef struct StorageStackStatistics {
        ScsiProcessorStatistics scsi;
        ScsiHistory history;
        ErrorHandlerStatistics errors;
        PowerStatistics power;
} StorageStackStatistics;

/* What drives the device now. Plain data. */
typedef struct StorageStackState {
        bool is_started; /* else the rest means nothing, but for `offers_uas` */
        UsbStorageProtocol protocol;
        bool offers_uas;
        bool is_pipelined;
        size_t transfer_size_max; /* of the transport */
        unsigned n_in_flight_max;
} StorageStackState;

/* What it has learned of the device so far. Plain data. */
typedef struct StorageStackFacts {
        bool has_given_up_uas; /* and Bulk-Only works */
        bool lacks_report_luns;
        BotMode bot_mode; /* AUTO: not decided, or another transport */
        ScsiSenseLength sense_length;
        PowerTraits power;
} StorageStackFacts;

/* As ErrorHandlerNotify; GONE comes once, whoever learns of it first. */
typedef void (*StorageStackNotify)(ErrorHandlerEvent event, uint8_t lun, void *userdata);

/* Takes `device` over, also on failure. `quirks` and `statistics`, on which it counts on, are
 * borrowed and outlive it. `power_ops` have `userdata` as well. */
int storage_stack_new(StorageStack **ret, UsbDevice *device, const StorageQuirks *quirks,
                      StorageStackStatistics *statistics, StorageStackNotify notify,
                      const PowerManagerOps *power_ops, void *userdata);
/* Stopped, or never started. Takes NULL, returns NULL. */
StorageStack *storage_stack_free(StorageStack *stack);
DEFINE_CLEANUP(StorageStack *, storage_stack_free);

/* 0, or -errno with a reason (-EOPNOTSUPP: not ours to drive); then it must be stopped. */
int storage_stack_start(StorageStack *stack, Task *task, bool with_reset, const char **ret_reason);
/* Waits until nothing is in flight, gives the interface back to the kernel's driver unless the
 * device has gone, and takes the layers down. Nobody has a command in flight on purpose. */
void storage_stack_stop(StorageStack *stack, Task *task);
/* The device was unplugged: everything ends soon. */
void storage_stack_set_gone(StorageStack *stack);

UsbDevice *storage_stack_get_device(const StorageStack *stack);
/* Of a started one. */
ErrorHandler *storage_stack_get_error_handler(const StorageStack *stack);
/* What commands are sent to: the gate's. */
ScsiTarget *storage_stack_get_target(const StorageStack *stack);
/* NULL: it is not started. */
PowerManager *storage_stack_get_power(const StorageStack *stack);
/* At any time. */
void storage_stack_set_power_options(StorageStack *stack, const PowerOptions *options);
/* What its interface says of the commands that it knows. */
ScsiCommandSet storage_stack_get_command_set(const StorageStack *stack);
StorageStackFacts storage_stack_get_facts(const StorageStack *stack);
/* What `quirks` say of settings that can change counts from now on. */
void storage_stack_update_settings(StorageStack *stack);
/* What a LUN's commands are validated against from now on; NULL: it is being asked. */
void storage_stack_set_unit(StorageStack *stack, unsigned lun, const ScsiDisk *disk);
/* From then on only SCSI_COMMAND_HOLDER commands go to the device, see scsi_processor_hold(). */
void storage_stack_hold(StorageStack *stack);
void storage_stack_release(StorageStack *stack);
StorageStackState storage_stack_get_state(const StorageStack *stack);
unsigned storage_stack_get_n_luns(const StorageStack *stack);
/* Whether the device told how many there are; else there is one, as far as is known. */
bool storage_stack_has_told_luns(const StorageStack *stack);
/* Asks once more how many LUNs there are, while no command is in flight. 0; -ENODEV: gone;
 * -ECANCELED; -EAGAIN: the device is being recovered, or still does not tell. */
int storage_stack_ask_luns(StorageStack *stack, Task *task);
