/* One of it at a time: libusb's own functions have no other way to find it. */

#include <check.h>
#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/macros.h"
#include "fake_libusb.h"

typedef struct FakeCompletion {
        struct libusb_transfer *transfer;
        enum libusb_transfer_status status;
        size_t size;
} FakeCompletion;

static FakeLibusb *the_libusb;
static libusb_pollfd_added_cb on_added;
static libusb_pollfd_removed_cb on_removed;
static void *notifier_userdata;
static FakeCompletion completions[FAKE_LIBUSB_TRANSFERS_MAX];
static size_t n_completions;
static bool is_lost;

/* As usbfs has them: the device descriptor's 16-bit fields in the host's order (linux/usb/ch9.h). */
static void write_descriptors(int fd, const uint8_t *descriptors, size_t size) {
        static const off_t offsets[] = { 2, 8, 10, 12 };

        ck_assert_int_eq(pwrite(fd, descriptors, size, 0), (ssize_t) size);
        for (size_t i = 0; i < N_ELEMENTS(offsets); i++) {
                uint16_t value = get_le16(descriptors + offsets[i]);

                ck_assert_int_eq(pwrite(fd, &value, sizeof(value), offsets[i]), sizeof(value));
        }
}

void fake_libusb_init(FakeLibusb *libusb, const uint8_t *descriptors, size_t size) {
        *libusb = (FakeLibusb){ .speed = LIBUSB_SPEED_HIGH, .configuration = 1 };
        libusb->usbfs_fd = memfd_create("usbfs", MFD_CLOEXEC);
        libusb->dispatch_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        ck_assert_int_ge(libusb->usbfs_fd, 0);
        ck_assert_int_ge(libusb->dispatch_fd, 0);
        write_descriptors(libusb->usbfs_fd, descriptors, size);
        n_completions = 0;
        is_lost = false;
        the_libusb = libusb;
}

void fake_libusb_done(FakeLibusb *libusb) {
        ck_assert_uint_eq(libusb->n_handles, 0);
        ck_assert_uint_eq(libusb->n_memories, 0);
        ck_assert_uint_eq(libusb->n_transfers, 0);
        fd_close(libusb->usbfs_fd);
        fd_close(libusb->dispatch_fd);
        the_libusb = NULL;
}

static void wake(void) { ck_assert_int_eq(eventfd_write(the_libusb->dispatch_fd, 1), 0); }

void fake_libusb_complete(FakeLibusb *libusb, enum libusb_transfer_status status, size_t size) {
        ck_assert_uint_gt(libusb->n_transfers, 0);
        completions[n_completions++] = (FakeCompletion){ libusb->transfers[0], status, size };
        libusb->n_transfers--;
        memmove(libusb->transfers, libusb->transfers + 1,
                libusb->n_transfers * sizeof(libusb->transfers[0]));
        wake();
}

void fake_libusb_lose(FakeLibusb *libusb) {
        is_lost = true;
        wake();
}

/* The context */

int libusb_set_option(libusb_context *ctx, enum libusb_option option, ...) { return 0; }

int libusb_init(libusb_context **context) {
        *context = (libusb_context *) the_libusb;
        return 0;
}

void libusb_exit(libusb_context *ctx) { on_removed(the_libusb->dispatch_fd, notifier_userdata); }

int libusb_pollfds_handle_timeouts(libusb_context *ctx) { return 1; }

void libusb_set_pollfd_notifiers(libusb_context *ctx, libusb_pollfd_added_cb added_cb,
                                 libusb_pollfd_removed_cb removed_cb, void *user_data) {
        on_added = added_cb;
        on_removed = removed_cb;
        notifier_userdata = user_data;
}

const struct libusb_pollfd **libusb_get_pollfds(libusb_context *ctx) {
        const struct libusb_pollfd **pollfds = calloc(2, sizeof(*pollfds));
        struct libusb_pollfd *pollfd = calloc(1, sizeof(*pollfd));

        ck_assert(pollfds && pollfd);
        *pollfd = (struct libusb_pollfd){ the_libusb->dispatch_fd, POLLIN };
        pollfds[0] = pollfd;
        return pollfds;
}

void libusb_free_pollfds(const struct libusb_pollfd **pollfds) {
        free((void *) pollfds[0]);
        free(pollfds);
}

int libusb_handle_events_timeout_completed(libusb_context *ctx, struct timeval *tv,
                                           int *completed) {
        eventfd_t value;

        (void) eventfd_read(the_libusb->dispatch_fd, &value);
        while (n_completions > 0) {
                FakeCompletion completion = completions[0];

                memmove(completions, completions + 1, --n_completions * sizeof(completions[0]));
                completion.transfer->status = completion.status;
                completion.transfer->actual_length = (int) completion.size;
                completion.transfer->callback(completion.transfer);
        }
        if (is_lost)
                on_removed(the_libusb->usbfs_fd, notifier_userdata);
        is_lost = false;
        return 0;
}

/* The device */

int libusb_wrap_sys_device(libusb_context *ctx, intptr_t sys_dev,
                           libusb_device_handle **dev_handle) {
        if (the_libusb->wrap_error < 0)
                return the_libusb->wrap_error;
        the_libusb->n_handles++;
        *dev_handle = (libusb_device_handle *) the_libusb;
        return 0;
}

void libusb_close(libusb_device_handle *dev_handle) { the_libusb->n_handles--; }

libusb_device *libusb_get_device(libusb_device_handle *dev_handle) {
        return (libusb_device *) the_libusb;
}

int libusb_get_device_speed(libusb_device *dev) { return the_libusb->speed; }

int libusb_get_configuration(libusb_device_handle *dev, int *config) {
        *config = the_libusb->configuration;
        return the_libusb->configuration_error;
}

int libusb_set_auto_detach_kernel_driver(libusb_device_handle *dev_handle, int enable) {
        return the_libusb->detach_error;
}

unsigned char *libusb_dev_mem_alloc(libusb_device_handle *dev_handle, size_t length) {
        the_libusb->n_memories++;
        return aligned_alloc(4096, length); /* as pages are */
}

int libusb_dev_mem_free(libusb_device_handle *dev_handle, unsigned char *buffer, size_t length) {
        the_libusb->n_memories--;
        free(buffer);
        return 0;
}

/* Transfers */

struct libusb_transfer *libusb_alloc_transfer(int iso_packets) {
        return calloc(1, sizeof(struct libusb_transfer));
}

void libusb_free_transfer(struct libusb_transfer *transfer) { free(transfer); }

void libusb_transfer_set_stream_id(struct libusb_transfer *transfer, uint32_t stream_id) {}

int libusb_submit_transfer(struct libusb_transfer *transfer) {
        if (the_libusb->submit_error < 0)
                return the_libusb->submit_error;
        ck_assert_uint_lt(the_libusb->n_transfers, FAKE_LIBUSB_TRANSFERS_MAX);
        the_libusb->transfers[the_libusb->n_transfers++] = transfer;
        return 0;
}

int libusb_cancel_transfer(struct libusb_transfer *transfer) {
        if (the_libusb->n_transfers == 0 || the_libusb->transfers[0] != transfer)
                return LIBUSB_ERROR_NOT_FOUND;
        fake_libusb_complete(the_libusb, LIBUSB_TRANSFER_CANCELLED, 0);
        return 0;
}

/* Operations, from the helper's thread */

static int operate(void) {
        the_libusb->n_operations++;
        return the_libusb->operation_result;
}

int libusb_claim_interface(libusb_device_handle *dev_handle, int interface_number) {
        return operate();
}

int libusb_release_interface(libusb_device_handle *dev_handle, int interface_number) {
        return operate();
}

int libusb_set_interface_alt_setting(libusb_device_handle *dev_handle, int interface_number,
                                     int alternate_setting) {
        return operate();
}

int libusb_clear_halt(libusb_device_handle *dev_handle, unsigned char endpoint) {
        return operate();
}

int libusb_reset_device(libusb_device_handle *dev_handle) { return operate(); }

int libusb_alloc_streams(libusb_device_handle *dev_handle, uint32_t num_streams,
                         unsigned char *endpoints, int num_endpoints) {
        return operate();
}

int libusb_free_streams(libusb_device_handle *dev_handle, unsigned char *endpoints,
                        int num_endpoints) {
        return operate();
}

/* usbfs */

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

static int fail_with(int error) {
        errno = error;
        return -1;
}

static int answer_control(const struct usbdevfs_ctrltransfer *control) {
        size_t size = MIN((size_t) control->wLength, the_libusb->bos_size);

        if (!the_libusb->bos)
                return fail_with(EPIPE);
        memcpy(control->data, the_libusb->bos, size);
        return (int) size;
}

int __wrap_ioctl(int fd, unsigned long request, ...) {
        va_list arguments;
        void *argument;

        va_start(arguments, request);
        argument = va_arg(arguments, void *);
        va_end(arguments);
        if (!the_libusb || fd != the_libusb->usbfs_fd)
                return __real_ioctl(fd, request, argument);
        the_libusb->last_ioctl = request;
        if (the_libusb->is_disconnected)
                return fail_with(ENODEV);
        if (request == USBDEVFS_CONTROL)
                return answer_control(argument);
        if (request == USBDEVFS_GET_CAPABILITIES) {
                *(uint32_t *) argument = the_libusb->capabilities;
                return 0;
        }
        return operate() < 0 ? fail_with(EPERM) : 0;
}
