#pragma once

/*
 * LibusbHelper
 *
 * The one thread beside the loop's: it runs a blocking job, one at a time, and posts its end to the
 * loop. It shares nothing with the loop but its mailbox. Started after the sandbox has closed.
 */

#include <pthread.h>

#include "usb/libusb_job.h"

#define LIBUSB_HELPER_STACK_SIZE (256 * KIB)

typedef struct LibusbHelper LibusbHelper;

/* From the loop. */
typedef void (*LibusbHelperDone)(LibusbHelper *helper, const LibusbJob *job);

typedef enum LibusbHelperState {
        LIBUSB_HELPER_STATE_IDLE,
        LIBUSB_HELPER_STATE_POSTED, /* the job is the thread's */
        LIBUSB_HELPER_STATE_FINISHED,
        LIBUSB_HELPER_STATE_STOPPING,
} LibusbHelperState;

struct LibusbHelper {
        LibusbHelperDone done;
        EventFd finished;
        int event_fd; /* owned */
        bool is_running;
        pthread_t thread;
        pthread_mutex_t mutex; /* guards what follows */
        pthread_cond_t changed;
        LibusbHelperState state;
        LibusbJob job;
};

/* Starts the thread; -errno. */
int libusb_helper_init(LibusbHelper *helper, EventLoop *loop, LibusbHelperDone done);
/* No job is posted. Joins the thread. Harmless on a zeroed helper. */
void libusb_helper_done(LibusbHelper *helper);
/* No job is posted. */
void libusb_helper_post(LibusbHelper *helper, const LibusbJob *job);
