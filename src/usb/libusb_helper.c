/* A mailbox of one slot, a thread that waits at it, and an eventfd on the way back. */

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "usb/libusb_helper.h"

/* Called and left with the mutex held. Whether a job was run. */
static bool run_next_job(LibusbHelper *helper) {
        LibusbJob job;

        while (helper->state != LIBUSB_HELPER_STATE_POSTED) {
                if (helper->state == LIBUSB_HELPER_STATE_STOPPING)
                        return false;
                pthread_cond_wait(&helper->changed, &helper->mutex);
        }
        job = helper->job;
        pthread_mutex_unlock(&helper->mutex);
        libusb_job_run(&job);
        pthread_mutex_lock(&helper->mutex);
        helper->job = job;
        helper->state = LIBUSB_HELPER_STATE_FINISHED;
        return true;
}

static void *helper_main(void *userdata) {
        LibusbHelper *helper = userdata;

        pthread_mutex_lock(&helper->mutex);
        while (run_next_job(helper)) {
                /* The counter can't be full: it is read before the next job is posted. */
                int r = eventfd_write(helper->event_fd, 1);

                assert(r == 0);
        }
        pthread_mutex_unlock(&helper->mutex);
        return NULL;
}

static void libusb_helper_on_finished(EventFd *watch, uint32_t events) {
        LibusbHelper *helper = container_of(watch, LibusbHelper, finished);
        eventfd_t count;
        LibusbJob job;

        if (eventfd_read(helper->event_fd, &count) < 0)
                return;
        pthread_mutex_lock(&helper->mutex);
        assert(helper->state == LIBUSB_HELPER_STATE_FINISHED);
        helper->state = LIBUSB_HELPER_STATE_IDLE;
        job = helper->job;
        pthread_mutex_unlock(&helper->mutex);
        helper->done(helper, &job);
}

void libusb_helper_post(LibusbHelper *helper, const LibusbJob *job) {
        pthread_mutex_lock(&helper->mutex);
        assert(helper->state == LIBUSB_HELPER_STATE_IDLE);
        helper->job = *job;
        helper->state = LIBUSB_HELPER_STATE_POSTED;
        pthread_cond_signal(&helper->changed);
        pthread_mutex_unlock(&helper->mutex);
}

/* Signals are the loop's: the thread takes none. */
static int start_thread(LibusbHelper *helper) {
        sigset_t all, before;
        pthread_attr_t attributes;
        int r;

        r = pthread_attr_init(&attributes);
        if (r != 0)
                return -r;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_attr_setstacksize(&attributes, LIBUSB_HELPER_STACK_SIZE);
        if (r == 0)
                r = pthread_create(&helper->thread, &attributes, helper_main, helper);
        pthread_sigmask(SIG_SETMASK, &before, /* oldset= */ NULL);
        pthread_attr_destroy(&attributes);
        helper->is_running = r == 0;
        return -r;
}

void libusb_helper_done(LibusbHelper *helper) {
        if (!helper->done)
                return;
        if (helper->is_running) {
                pthread_mutex_lock(&helper->mutex);
                assert(helper->state == LIBUSB_HELPER_STATE_IDLE);
                helper->state = LIBUSB_HELPER_STATE_STOPPING;
                pthread_cond_signal(&helper->changed);
                pthread_mutex_unlock(&helper->mutex);
                pthread_join(helper->thread, /* retval= */ NULL);
        }
        event_fd_remove(&helper->finished);
        fd_close(helper->event_fd);
        pthread_cond_destroy(&helper->changed);
        pthread_mutex_destroy(&helper->mutex);
        helper->done = NULL;
}

int libusb_helper_init(LibusbHelper *helper, EventLoop *loop, LibusbHelperDone done) {
        int r;

        *helper = (LibusbHelper){
                .event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        };
        if (helper->event_fd < 0)
                return -errno;
        pthread_mutex_init(&helper->mutex, /* attr= */ NULL);
        pthread_cond_init(&helper->changed, /* attr= */ NULL);
        helper->done = done;
        r = event_fd_add(&helper->finished, loop, helper->event_fd, EPOLLIN,
                         libusb_helper_on_finished);
        if (r >= 0)
                r = start_thread(helper);
        if (r < 0)
                libusb_helper_done(helper);
        return r;
}
