#pragma once

/*
 * SimulatedDevice
 *
 * A USB mass-storage device in software: a UsbDevice whose other end is the device's own side of
 * USB, of its transport and of SCSI. What it does follows from its SimulatorSpec, the loop's time
 * and the seed alone.
 *
 * The functions below the constructor are for tests and demonstrations: they are what hands and
 * cables do to a device. All take the UsbDevice that simulated_device_new() made.
 */

#include "simulator/simulator_spec.h"
#include "usb/usb_device.h"

typedef struct SimulatedDeviceCounters {
        uint64_t n_commands; /* CBWs that were accepted */
        uint64_t n_commands_by_opcode[256];
        uint64_t n_transfers;
        uint64_t n_bytes_in;
        uint64_t n_bytes_out;
        uint64_t n_control_requests;
        uint64_t n_class_resets; /* Bulk-Only Mass Storage Reset */
        uint64_t n_port_resets;
        uint64_t n_halts_cleared;
        uint64_t n_stalls;           /* endpoints that halted */
        uint64_t n_cbws_refused;     /* not valid or not meaningful (BOT 6.2) */
        uint64_t n_cache_losses;     /* resets and power losses that threw unwritten blocks away */
        uint64_t n_transfers_early;  /* IN transfers refused since `pipelining=no` */
        uint64_t n_task_managements; /* UAS: task management IUs */
        uint64_t n_queue_max;        /* UAS: commands that it had at once */
        uint64_t n_queue_full;       /* UAS: TASK SET FULL */
        uint64_t n_spin_ups;         /* of media that stood still */
        uint64_t n_suspends;
        uint64_t n_resumes;
        uint64_t n_suspended_uses; /* what the host wanted while it was suspended, or had under way */
} SimulatedDeviceCounters;

/*
 * `spec` is copied. LUN i keeps its blocks in image_fds[i], or in memory where i >= n_image_fds or
 * the descriptor is negative. Descriptors are borrowed and must outlive the device; they are read
 * and written with pread, pwrite, fdatasync, lseek and fallocate, and fstat is called once.
 * -EINVAL: an image smaller than a block; -errno of fstat, -ENOMEM.
 */
int simulated_device_new(UsbDevice **ret, EventLoop *loop, const SimulatorSpec *spec,
                         const int *image_fds, size_t n_image_fds);

/* The payload that a link can carry, bytes a second, in whole packets. */
uint64_t simulated_device_get_payload_rate(UsbSpeed speed);

/* The cable is pulled: for good, as a device that returns is a new UsbDevice. */
void simulated_device_unplug(UsbDevice *device);
/* The device loses its power and gets it back: all state but the medium is lost, 29/00 follows. */
void simulated_device_power_cycle(UsbDevice *device);
bool simulated_device_is_suspended(UsbDevice *device);
/* Whether a unit's medium stands still. */
bool simulated_device_is_stopped(UsbDevice *device, size_t lun);
/* The medium is taken out, whatever PREVENT said; nothing happens if there is none. */
void simulated_device_remove_medium(UsbDevice *device, size_t lun);
/* The medium that was taken out is put back, 28/00 follows. */
void simulated_device_insert_medium(UsbDevice *device, size_t lun);
/* The button of an optical drive: the tray opens or closes; if it is locked the host is told. */
void simulated_device_press_button(UsbDevice *device, size_t lun);
bool simulated_device_is_tray_open(UsbDevice *device, size_t lun);
/* What the disc in a drive, or the next one, is: before it is put in. */
void simulated_device_set_disc(UsbDevice *device, size_t lun, SimulatorDisc disc);
/* The write-protect switch, which tells nobody. */
void simulated_device_set_protected(UsbDevice *device, size_t lun, bool is_protected);
/* Whether PREVENT ALLOW MEDIUM REMOVAL holds the medium. */
bool simulated_device_is_removal_prevented(UsbDevice *device, size_t lun);
/* A blank medium of another size (0: the same) is put in; only of a LUN in memory. -ENOMEM, -EBUSY:
 * the LUN has an image file. */
int simulated_device_change_medium(UsbDevice *device, size_t lun, uint64_t size);

/* The drive behind it, by its own timer. */
void simulated_device_put_drive_to_sleep(UsbDevice *device, size_t lun);

/* Adds to the plan of faults while the device runs. Errors as simulator_fault_plan_parse(). */
int simulated_device_add_faults(UsbDevice *device, const char *text, char **ret_error);
void simulated_device_clear_faults(UsbDevice *device);

/* Behind the device's back. `stable`: what would be left if the power failed now; else what a host
 * would read. -ERANGE: beyond the end, -errno of the image file. */
int simulated_device_read_medium(UsbDevice *device, size_t lun, bool is_stable, uint64_t offset,
                                 void *bytes, size_t size);
/* To the medium itself, past the cache. */
int simulated_device_write_medium(UsbDevice *device, size_t lun, uint64_t offset, const void *bytes,
                                  size_t size);
uint64_t simulated_device_get_medium_size(UsbDevice *device, size_t lun);

/* Borrowed, counts on. */
const SimulatedDeviceCounters *simulated_device_get_counters(UsbDevice *device);
