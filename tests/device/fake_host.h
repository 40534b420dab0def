#pragma once

/*
 * FakeHost
 *
 * The host's side of USB as libudev, device nodes and usbfs tell of it, all of it made up: the
 * linker finds these functions of libudev before the library's, and sends open() and ioctl() here.
 * There is one host at a time, as there is in a process.
 */

#include "base/macros.h"

#define FAKE_HOST_DEVICES_MAX 128
#define FAKE_HOST_EVENTS_MAX 16
#define FAKE_HOST_INTERFACES_MAX 4

typedef struct FakeAttribute {
        const char *name;
        const char *value;
} FakeAttribute;

typedef struct FakeDevice {
        const char *sys_path; /* NULL: it was removed */
        const char *subsystem;
        const char *type;
        const char *dev_path; /* NULL: no node */
        FakeAttribute attributes[8];
} FakeDevice;

typedef struct FakeHost {
        FakeDevice devices[FAKE_HOST_DEVICES_MAX];
        size_t n_devices;
        const char *busy_path;    /* its exclusive open fails with EBUSY */
        const char *empty_path;   /* with ENOMEDIUM */
        const char *private_path; /* with EACCES */
        /* Of the kernel's driver on each interface; NULL: none is bound. */
        const char *drivers[FAKE_HOST_INTERFACES_MAX];
        int failing_interface; /* its DISCONNECT fails with EIO; negative: none */
        bool has_no_monitor;
        unsigned n_taken;      /* DISCONNECTs that succeeded */
        unsigned n_given_back; /* CONNECTs */
        int claim_error;       /* errno; 0: claims succeed */
        unsigned n_claimed;
        unsigned n_node_opens;
        int event_fd; /* owned: readable while there are events */
} FakeHost;

void fake_host_init(FakeHost *host);
void fake_host_done(FakeHost *host);
/* Strings are borrowed. */
void fake_host_add(FakeHost *host, const FakeDevice *device);
/* And all below it. */
void fake_host_remove(FakeHost *host, const char *sys_path);
/* A stick: the device, its storage interface and its disk, named "1-1", "/dev/usb1" and "/dev/sda".
 */
void fake_host_add_stick(FakeHost *host);
void fake_host_send(FakeHost *host, const char *action, const char *sys_path);

#define FAKE_STICK "/sys/devices/usb1/1-1"
#define FAKE_STICK_INTERFACE FAKE_STICK "/1-1:1.0"
#define FAKE_STICK_NODE "/dev/usb1"
#define FAKE_STICK_DISK "/dev/sda"
#define FAKE_STICK_BLOCK FAKE_STICK_INTERFACE "/host0/block/sda"
