/*
 * libusb's event handling on our loop. libusb tells which descriptors it wants watched, and any
 * event on one of them runs its dispatch, which reaps transfers and calls their owners. It has no
 * timeouts to be told of: all transfers go without one.
 */

#include <errno.h>
#include <poll.h>

#include "base/log.h"
#include "usb/libusb_library.h"

typedef struct LibusbWatch {
        EventFd fd;
        LibusbLibrary *library; /* borrowed; NULL: not in use */
} LibusbWatch;

struct LibusbLibrary {
        EventLoop *loop;         /* borrowed */
        libusb_context *context; /* owned */
        LibusbWatch watches[LIBUSB_WATCHES_MAX];
        ListNode clients; /* LibusbClient::node */
        int error;        /* of a notifier, which can't return one */
        bool is_dispatching;
};

static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT, "poll's events are epoll's");

int libusb_library_error_to_errno(int error) {
        switch (error) {
        case LIBUSB_SUCCESS:
                return 0;
        case LIBUSB_ERROR_INVALID_PARAM:
                return -EINVAL;
        case LIBUSB_ERROR_ACCESS:
                return -EACCES;
        case LIBUSB_ERROR_NO_DEVICE:
        case LIBUSB_ERROR_NOT_FOUND:
                return -ENODEV;
        case LIBUSB_ERROR_BUSY:
                return -EBUSY;
        case LIBUSB_ERROR_NO_MEM:
                return -ENOMEM;
        case LIBUSB_ERROR_NOT_SUPPORTED:
                return -EOPNOTSUPP;
        default:
                return -EIO;
        }
}

libusb_context *libusb_library_get_context(const LibusbLibrary *library) {
        return library->context;
}

EventLoop *libusb_library_get_loop(const LibusbLibrary *library) { return library->loop; }

int libusb_library_get_error(const LibusbLibrary *library) { return library->error; }

bool libusb_library_is_dispatching(const LibusbLibrary *library) { return library->is_dispatching; }

void libusb_library_attach(LibusbLibrary *library, LibusbClient *client) {
        list_init(&client->node);
        list_append(&library->clients, &client->node);
}

void libusb_library_detach(LibusbLibrary *library, LibusbClient *client) {
        assert(!library->is_dispatching);
        list_unlink(&client->node);
}

static void libusb_library_dispatch(LibusbLibrary *library) {
        struct timeval zero = { 0 };
        int r;

        assert(!library->is_dispatching);
        library->is_dispatching = true;
        r = libusb_handle_events_timeout_completed(library->context, &zero, /* completed= */ NULL);
        library->is_dispatching = false;
        if (r < 0)
                log_debug("libusb failed to handle events, ignoring: %s", libusb_error_name(r));
}

static void libusb_library_on_event(EventFd *fd, uint32_t events) {
        libusb_library_dispatch(container_of(fd, LibusbWatch, fd)->library);
}

static LibusbWatch *find_free_watch(LibusbLibrary *library) {
        for (size_t i = 0; i < N_ELEMENTS(library->watches); i++)
                if (!library->watches[i].library)
                        return &library->watches[i];
        return NULL;
}

static void libusb_library_on_added(int fd, short events, void *userdata) {
        LibusbLibrary *library = userdata;
        LibusbWatch *watch = find_free_watch(library);
        int r = -ENFILE;

        if (watch)
                r = event_fd_add(&watch->fd, library->loop, fd, (uint32_t) events,
                                 libusb_library_on_event);
        if (r < 0) {
                library->error = r;
                return;
        }
        watch->library = library;
}

static void libusb_library_on_removed(int fd, void *userdata) {
        LibusbLibrary *library = userdata;

        for (size_t i = 0; i < N_ELEMENTS(library->watches); i++) {
                LibusbWatch *watch = &library->watches[i];

                if (!watch->library || watch->fd.fd != fd)
                        continue;
                event_fd_remove(&watch->fd);
                watch->library = NULL;
        }
        LIST_FOR_EACH (node, &library->clients) {
                LibusbClient *client = list_entry(node, LibusbClient, node);

                if (client->fd == fd)
                        client->on_lost(client);
        }
}

static int libusb_library_watch(LibusbLibrary *library) {
        const struct libusb_pollfd **pollfds;

        libusb_set_pollfd_notifiers(library->context, libusb_library_on_added,
                                    libusb_library_on_removed, library);
        pollfds = libusb_get_pollfds(library->context);
        if (!pollfds)
                return -ENOMEM;
        for (size_t i = 0; pollfds[i]; i++)
                libusb_library_on_added(pollfds[i]->fd, pollfds[i]->events, library);
        libusb_free_pollfds(pollfds);
        return library->error;
}

LibusbLibrary *libusb_library_free(LibusbLibrary *library) {
        if (!library)
                return NULL;

        assert(!library->is_dispatching);
        assert(list_is_empty(&library->clients));
        /* Tells the notifiers about its own descriptors. */
        if (library->context)
                libusb_exit(library->context);
        for (size_t i = 0; i < N_ELEMENTS(library->watches); i++)
                event_fd_remove(&library->watches[i].fd);
        free(library);
        return NULL;
}

int libusb_library_new(LibusbLibrary **ret, EventLoop *loop) {
        _cleanup_(libusb_library_freep) LibusbLibrary *library = NULL;
        int r;

        library = calloc(1, sizeof(*library));
        if (!library)
                return -ENOMEM;
        library->loop = loop;
        list_init(&library->clients);
        /* Process-wide in this version of libusb; without it each context scans the whole bus. */
        r = libusb_set_option(/* ctx= */ NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);
        if (r < 0)
                return libusb_library_error_to_errno(r);
        r = libusb_init(&library->context);
        if (r < 0)
                return libusb_library_error_to_errno(r);
        assert(libusb_pollfds_handle_timeouts(library->context));
        r = libusb_library_watch(library);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(library);
        return 0;
}
