/*
 * A device on usbfs. Transfers are libusb's asynchronous ones without a timeout (each would cost
 * two system calls) and complete from libusb's dispatch on the loop; operations are ioctls that
 * block, so the helper runs them.
 *
 * An unplugged device is noticed by whoever comes first: libusb, which stops to watch the
 * descriptor; a transfer that completes with NO_DEVICE; a submit; an operation.
 */

#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/bytes.h"
#include "base/log.h"
#include "usb/libusb_device.h"
#include "usb/libusb_helper.h"
#include "usb/libusb_library.h"
#include "usb/usb_descriptors.h"

#define DESCRIPTORS_SIZE_MAX (64 * KIB)
#define BOS_SIZE_MAX 1024
#define BOS_HEADER_SIZE 5
#define BOS_TIMEOUT_MS 1000

/* USB 3.2, 9.4.3 and table 9-6. */
#define REQUEST_TYPE_STANDARD_IN 0x80
#define REQUEST_GET_DESCRIPTOR 0x06
#define DESCRIPTOR_BOS 0x0F
/* The first version of USB that has a BOS. */
#define USB_VERSION_2_01 0x0201

typedef struct LibusbDevice {
        UsbDevice device;
        LibusbLibrary *library; /* borrowed */
        LibusbClient client;
        libusb_device_handle *handle; /* owned */
        int usbfs_fd;                 /* borrowed */
        char *name;                   /* owned */
        UsbDescriptors descriptors;
        LibusbHelper helper;
        UsbOperation *operation; /* borrowed; the helper's */
        unsigned n_disruptions;  /* operations that kill transfers in flight */
} LibusbDevice;

typedef struct LibusbTransfer {
        struct libusb_transfer *transfer; /* owned */
        UsbTransfer *owner;               /* borrowed; holds us as its backend */
        uint8_t *control;                 /* owned; setup and data of a control transfer */
        size_t control_size;
        unsigned n_disruptions; /* of the device, when it was submitted */
} LibusbTransfer;

static LibusbDevice *libusb_device_of(UsbDevice *device) {
        return container_of(device, LibusbDevice, device);
}

static UsbResult result_from_status(enum libusb_transfer_status status) {
        switch (status) {
        case LIBUSB_TRANSFER_COMPLETED:
                return USB_RESULT_OK;
        case LIBUSB_TRANSFER_TIMED_OUT:
                return USB_RESULT_TIMED_OUT;
        case LIBUSB_TRANSFER_CANCELLED:
                return USB_RESULT_CANCELLED;
        case LIBUSB_TRANSFER_STALL:
                return USB_RESULT_STALL;
        case LIBUSB_TRANSFER_NO_DEVICE:
                return USB_RESULT_GONE;
        case LIBUSB_TRANSFER_OVERFLOW:
                return USB_RESULT_OVERFLOW;
        case LIBUSB_TRANSFER_ERROR:
                break;
        }

        return USB_RESULT_ERROR;
}

static bool is_disconnected(const LibusbDevice *device) {
        uint32_t capabilities;

        return ioctl(device->usbfs_fd, USBDEVFS_GET_CAPABILITIES, &capabilities) < 0 &&
               errno == ENODEV;
}

/*
 * The kernel ends a transfer that an operation of ours has killed with ESHUTDOWN, as it does on an
 * unplugged device, or with ENOENT, which libusb takes for a short transfer that completed.
 */
static UsbResult judge_result(const LibusbDevice *device, const LibusbTransfer *backend) {
        const struct libusb_transfer *transfer = backend->transfer;
        UsbResult result = result_from_status(transfer->status);
        bool is_disrupted = backend->n_disruptions != device->n_disruptions;
        bool is_short = (size_t) transfer->actual_length < backend->owner->size;

        if (is_disrupted && (result == USB_RESULT_GONE || (result == USB_RESULT_OK && is_short)))
                return USB_RESULT_CANCELLED;
        if (result == USB_RESULT_GONE && !is_disconnected(device))
                return USB_RESULT_ERROR;
        return result;
}

static void libusb_transfer_on_completed(struct libusb_transfer *transfer) {
        LibusbTransfer *backend = transfer->user_data;
        UsbTransfer *owner = backend->owner;
        LibusbDevice *device = libusb_device_of(owner->device);
        UsbResult result = judge_result(device, backend);
        size_t actual_size = (size_t) transfer->actual_length;

        if (owner->type == USB_TRANSFER_TYPE_CONTROL &&
            (owner->setup.request_type & USB_ENDPOINT_IN) && actual_size > 0)
                memcpy(owner->data, libusb_control_transfer_get_data(transfer), actual_size);
        usb_device_transfer_completed(owner, result, actual_size);
}

static int libusb_device_transfer_init(UsbDevice *device, UsbTransfer *transfer) {
        LibusbTransfer *backend;

        backend = calloc(1, sizeof(*backend));
        if (!backend)
                return -ENOMEM;
        backend->transfer = libusb_alloc_transfer(/* iso_packets= */ 0);
        if (!backend->transfer) {
                free(backend);
                return -ENOMEM;
        }
        backend->owner = transfer;
        transfer->backend = backend;
        return 0;
}

static void libusb_device_transfer_done(UsbDevice *device, UsbTransfer *transfer) {
        LibusbTransfer *backend = TAKE_PTR(transfer->backend);

        libusb_free_transfer(backend->transfer);
        free(backend->control);
        free(backend);
}

static int fill_control(LibusbDevice *device, LibusbTransfer *backend) {
        const UsbTransfer *owner = backend->owner;
        size_t size = LIBUSB_CONTROL_SETUP_SIZE + owner->size;

        if (backend->control_size < size) {
                uint8_t *control = realloc(backend->control, size);

                if (!control)
                        return -ENOMEM;
                backend->control = control;
                backend->control_size = size;
        }
        libusb_fill_control_setup(backend->control, owner->setup.request_type, owner->setup.request,
                                  owner->setup.value, owner->setup.index, (uint16_t) owner->size);
        if (!(owner->setup.request_type & USB_ENDPOINT_IN) && owner->size > 0)
                memcpy(backend->control + LIBUSB_CONTROL_SETUP_SIZE, owner->data, owner->size);
        libusb_fill_control_transfer(backend->transfer, device->handle, backend->control,
                                     libusb_transfer_on_completed, backend, /* timeout= */ 0);
        return 0;
}

static int fill_transfer(LibusbDevice *device, LibusbTransfer *backend) {
        const UsbTransfer *owner = backend->owner;
        int size = (int) owner->size;

        switch (owner->type) {
        case USB_TRANSFER_TYPE_CONTROL:
                return fill_control(device, backend);
        case USB_TRANSFER_TYPE_BULK:
                libusb_fill_bulk_transfer(backend->transfer, device->handle, owner->endpoint,
                                          owner->data, size, libusb_transfer_on_completed, backend,
                                          /* timeout= */ 0);
                return 0;
        case USB_TRANSFER_TYPE_INTERRUPT:
                libusb_fill_interrupt_transfer(backend->transfer, device->handle, owner->endpoint,
                                               owner->data, size, libusb_transfer_on_completed,
                                               backend, /* timeout= */ 0);
                return 0;
        case USB_TRANSFER_TYPE_BULK_STREAM:
                libusb_fill_bulk_stream_transfer(backend->transfer, device->handle, owner->endpoint,
                                                 owner->stream_id, owner->data, size,
                                                 libusb_transfer_on_completed, backend,
                                                 /* timeout= */ 0);
                return 0;
        case _USB_TRANSFER_TYPE_MAX:
                break;
        }

        assert_not_reached();
}

static bool has_endpoint(const UsbDescriptors *descriptors, uint8_t address) {
        for (size_t i = 0; i < descriptors->n_endpoints; i++)
                if (descriptors->endpoints[i].address == address)
                        return true;
        return false;
}

static int libusb_device_submit(UsbDevice *usb, UsbTransfer *transfer) {
        LibusbDevice *device = libusb_device_of(usb);
        LibusbTransfer *backend = transfer->backend;
        int r;

        if (transfer->size > INT32_MAX)
                return -EINVAL;
        r = fill_transfer(device, backend);
        if (r < 0)
                return r;
        backend->n_disruptions = device->n_disruptions;
        r = libusb_submit_transfer(backend->transfer);
        if (r >= 0)
                return 0;
        log_device_debug(usb->name, "Endpoint %02x refused %zu bytes: %s", transfer->endpoint,
                         transfer->size, libusb_error_name(r));
        /* What the kernel thinks of an unknown endpoint is lost on the way through libusb. */
        if (r == LIBUSB_ERROR_IO && transfer->type != USB_TRANSFER_TYPE_CONTROL &&
            !has_endpoint(&device->descriptors, transfer->endpoint))
                return -EINVAL;
        return libusb_library_error_to_errno(r);
}

/* What can't be cancelled any more is about to complete. */
static void libusb_device_cancel(UsbDevice *device, UsbTransfer *transfer) {
        LibusbTransfer *backend = transfer->backend;

        (void) libusb_cancel_transfer(backend->transfer);
}

static bool kills_transfers(UsbOperationType type) {
        return type == USB_OPERATION_RESET || type == USB_OPERATION_RELEASE ||
               type == USB_OPERATION_SET_INTERFACE;
}

static void libusb_device_operate(UsbDevice *usb, UsbOperation *operation) {
        LibusbDevice *device = libusb_device_of(usb);
        LibusbJob job;

        assert(!device->operation);
        if (kills_transfers(operation->type))
                device->n_disruptions++;
        device->operation = operation;
        libusb_job_init(&job, device->handle, device->usbfs_fd, operation);
        libusb_helper_post(&device->helper, &job);
}

static void libusb_device_on_job_done(LibusbHelper *helper, const LibusbJob *job) {
        LibusbDevice *device = container_of(helper, LibusbDevice, helper);
        UsbOperation *operation = TAKE_PTR(device->operation);

        log_device_debug(device->name, "%s: %s", usb_operation_type_to_string(job->type),
                         usb_result_to_string(job->result));
        usb_device_operation_completed(operation, job->result, job->value);
}

static void *libusb_device_memory_new(UsbDevice *device, size_t size) {
        return libusb_dev_mem_alloc(libusb_device_of(device)->handle, size);
}

static void libusb_device_memory_free(UsbDevice *device, void *memory, size_t size) {
        (void) libusb_dev_mem_free(libusb_device_of(device)->handle, memory, size);
}

static void libusb_device_on_lost(LibusbClient *client) {
        usb_device_set_gone(&container_of(client, LibusbDevice, client)->device);
}

/* Also frees a device that libusb_device_new() could not finish. */
static void libusb_device_free(UsbDevice *usb) {
        LibusbDevice *device = libusb_device_of(usb);

        assert(!device->operation);
        libusb_helper_done(&device->helper);
        usb_device_done(&device->device);
        libusb_library_detach(device->library, &device->client);
        if (device->handle)
                libusb_close(device->handle);
        free(device->name);
        free(device);
}

static const UsbDeviceOps libusb_device_ops = {
        .transfer_init = libusb_device_transfer_init,
        .transfer_done = libusb_device_transfer_done,
        .submit = libusb_device_submit,
        .cancel = libusb_device_cancel,
        .operate = libusb_device_operate,
        .memory_new = libusb_device_memory_new,
        .memory_free = libusb_device_memory_free,
        .free = libusb_device_free,
};

static UsbSpeed speed_from_libusb(int speed) {
        switch (speed) {
        case LIBUSB_SPEED_LOW:
                return USB_SPEED_LOW;
        case LIBUSB_SPEED_FULL:
                return USB_SPEED_FULL;
        case LIBUSB_SPEED_HIGH:
                return USB_SPEED_HIGH;
        case LIBUSB_SPEED_SUPER:
                return USB_SPEED_SUPER;
        case LIBUSB_SPEED_SUPER_PLUS:
                return USB_SPEED_SUPER_PLUS;
        default:
                return USB_SPEED_UNKNOWN;
        }
}

static ssize_t get_bos(const LibusbDevice *device, uint8_t *bytes, uint16_t size) {
        struct usbdevfs_ctrltransfer transfer = {
                .bRequestType = REQUEST_TYPE_STANDARD_IN,
                .bRequest = REQUEST_GET_DESCRIPTOR,
                .wValue = DESCRIPTOR_BOS << 8,
                .wLength = size,
                .timeout = BOS_TIMEOUT_MS,
                .data = bytes,
        };
        int r = ioctl(device->usbfs_fd, USBDEVFS_CONTROL, &transfer);

        return r < 0 ? -errno : r;
}

/* A device without one is none the worse: the kernel has judged it by then. */
static void read_bos(LibusbDevice *device) {
        uint8_t bytes[BOS_SIZE_MAX];
        ssize_t n;

        if (device->descriptors.usb_version < USB_VERSION_2_01)
                return;
        n = get_bos(device, bytes, BOS_HEADER_SIZE);
        if (n == BOS_HEADER_SIZE)
                n = get_bos(device, bytes, MIN(get_le16(bytes + 2), (uint16_t) BOS_SIZE_MAX));
        if (n > 0)
                usb_descriptors_parse_bos(&device->descriptors, bytes, (size_t) n);
}

/* usbfs gives the device descriptor's 16-bit fields in the host's order, and nothing else so. */
static void restore_byte_order(uint8_t *bytes, size_t size) {
        static const size_t offsets[] = { 2, 8, 10, 12 };

        for (size_t i = 0; i < N_ELEMENTS(offsets) && offsets[i] + 2 <= size; i++) {
                uint16_t value;

                memcpy(&value, bytes + offsets[i], sizeof(value));
                put_le16(bytes + offsets[i], value);
        }
}

static int read_descriptors(LibusbDevice *device) {
        _cleanup_(freep) uint8_t *bytes = NULL;
        int configuration = 0;
        ssize_t n;
        int r;

        bytes = malloc(DESCRIPTORS_SIZE_MAX);
        if (!bytes)
                return -ENOMEM;
        n = pread(device->usbfs_fd, bytes, DESCRIPTORS_SIZE_MAX, 0);
        if (n < 0)
                return -errno;
        restore_byte_order(bytes, (size_t) n);
        r = libusb_get_configuration(device->handle, &configuration);
        if (r < 0)
                return libusb_library_error_to_errno(r);
        r = usb_descriptors_parse(&device->descriptors, bytes, (size_t) n, (uint8_t) configuration);
        if (r < 0)
                return r;
        read_bos(device);
        return 0;
}

/* Without it nothing is lost: it is not put to sleep then. */
static bool can_suspend(const LibusbDevice *device) {
        uint32_t capabilities = 0;

        return ioctl(device->usbfs_fd, USBDEVFS_GET_CAPABILITIES, &capabilities) >= 0 &&
               (capabilities & USBDEVFS_CAP_SUSPEND);
}

static int wrap(LibusbDevice *device) {
        int r;

        r = libusb_wrap_sys_device(libusb_library_get_context(device->library), device->usbfs_fd,
                                   &device->handle);
        if (r < 0)
                return libusb_library_error_to_errno(r);
        r = libusb_library_get_error(device->library);
        if (r < 0)
                return r;
        /* Claiming takes an interface from the kernel's driver, releasing gives it back. */
        r = libusb_set_auto_detach_kernel_driver(device->handle, /* enable= */ 1);
        return libusb_library_error_to_errno(r);
}

int libusb_device_new(UsbDevice **ret, LibusbLibrary *library, int usbfs_fd,
                      const LibusbDeviceOptions *options) {
        _cleanup_(usb_device_freep) UsbDevice *usb = NULL;
        EventLoop *loop = libusb_library_get_loop(library);
        LibusbDevice *device;
        int r;

        device = calloc(1, sizeof(*device));
        if (!device)
                return -ENOMEM;
        r = usb_device_init(&device->device, loop, &libusb_device_ops);
        if (r < 0) {
                free(device);
                return r;
        }
        usb = &device->device;
        device->library = library;
        device->usbfs_fd = usbfs_fd;
        device->client = (LibusbClient){ .fd = usbfs_fd, .on_lost = libusb_device_on_lost };
        libusb_library_attach(library, &device->client);
        device->name = strdup(options->name ?: "usb");
        if (!device->name)
                return -ENOMEM;
        r = wrap(device);
        if (r < 0)
                return r;
        r = read_descriptors(device);
        if (r < 0)
                return r;
        usb->name = device->name;
        usb->descriptors = &device->descriptors;
        usb->can_suspend = can_suspend(device);
        usb->speed = options->speed;
        if (usb->speed == USB_SPEED_UNKNOWN)
                usb->speed = speed_from_libusb(
                                libusb_get_device_speed(libusb_get_device(device->handle)));
        usb_device_set_memory_budget(usb, options->memory_budget);
        r = libusb_helper_init(&device->helper, loop, libusb_device_on_job_done);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(usb);
        return 0;
}
