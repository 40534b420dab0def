#pragma once

/*
 * DeviceFront
 *
 * The NBD front of a manager: started again when it dies, and told what it must know: exports and
 * listening sockets. Private to device.
 */

#include "device/child_process.h"
#include "device/device_manager.h"

typedef struct DeviceFront DeviceFront;

typedef struct DeviceFrontHandlers {
        /* A front was started: its first message. */
        void (*configure)(DeviceFront *front);
        /* It knows all exports: what it is to listen on. */
        void (*listen)(DeviceFront *front);
        /* A client that chose an export; its descriptors are borrowed. */
        void (*client)(DeviceFront *front, const ControlHandover *handover, const int *fds,
                       size_t n_fds);
        /* It ended, and is not started again, as it was told to stop. */
        void (*ended)(DeviceFront *front);
} DeviceFrontHandlers;

struct DeviceFront {
        EventLoop *loop;                     /* borrowed */
        const char *path;                    /* borrowed */
        const DeviceFrontHandlers *handlers; /* borrowed */
        ChildProcess *child;                 /* owned; NULL: none now */
        EventTimer timer;                    /* the pause before a restart */
        ListNode exports;                    /* FrontExport::node, private */
        unsigned n_exports;
        bool must_stop;
};

/* -errno. */
int device_front_init(DeviceFront *front, EventLoop *loop, const char *path,
                      const DeviceFrontHandlers *handlers);
/* Kills it. Harmless if all of it is zero. */
void device_front_done(DeviceFront *front);
int device_front_start(DeviceFront *front);
void device_front_stop(DeviceFront *front);
/* Nothing happens while there is none. */
void device_front_send(DeviceFront *front, const ControlMessage *message, const int *fds,
                       size_t n_fds);
/* Likewise. */
void device_front_send_nbd_options(DeviceFront *front, const DeviceNbdOptions *options);
/* Told it now, and whenever it is started anew. -ENOMEM: not at all. */
int device_front_add_export(DeviceFront *front, const ControlExport *export);
void device_front_remove_export(DeviceFront *front, uint64_t generation);
/* NULL: there is none. */
const ControlExport *device_front_find_export(const DeviceFront *front, uint64_t generation);
