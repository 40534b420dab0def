/*
 * These calls of libusb are plain ioctls: they run no event handling, so that no transfer's
 * callback can come on the helper's thread. libusb's synchronous transfers would, and are not used.
 */

#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "usb/libusb_job.h"

static UsbResult result_from_libusb(int error) {
        if (error >= 0)
                return USB_RESULT_OK;
        switch (error) {
        case LIBUSB_ERROR_NO_DEVICE:
                return USB_RESULT_GONE;
        case LIBUSB_ERROR_PIPE:
                return USB_RESULT_STALL;
        case LIBUSB_ERROR_TIMEOUT:
                return USB_RESULT_TIMED_OUT;
        case LIBUSB_ERROR_OVERFLOW:
                return USB_RESULT_OVERFLOW;
        case LIBUSB_ERROR_NO_MEM:
                return USB_RESULT_NO_MEMORY;
        default:
                return USB_RESULT_ERROR;
        }
}

/*
 * libusb releases all interfaces, resets the port and claims them again. NOT_FOUND says that the
 * device came back as another one, or that an interface could not be claimed again: either way this
 * handle drives nothing any more.
 */
static UsbResult reset(const LibusbJob *job) {
        int r = libusb_reset_device(job->handle);

        return r == LIBUSB_ERROR_NOT_FOUND ? USB_RESULT_GONE : result_from_libusb(r);
}

/* libusb does not wrap the suspend calls. Forbidding waits until the device is awake. */
static UsbResult control_suspend(const LibusbJob *job, unsigned long request) {
        if (ioctl(job->usbfs_fd, request) >= 0)
                return USB_RESULT_OK;
        return errno == ENODEV ? USB_RESULT_GONE : USB_RESULT_ERROR;
}

static UsbResult alloc_streams(LibusbJob *job) {
        int r;

        r = libusb_alloc_streams(job->handle, job->n_streams, job->endpoints, job->n_endpoints);
        if (r > 0)
                job->value = (uint32_t) r;
        return result_from_libusb(r);
}

static UsbResult run(LibusbJob *job) {
        libusb_device_handle *handle = job->handle;

        switch (job->type) {
        case USB_OPERATION_CLAIM:
                return result_from_libusb(libusb_claim_interface(handle, job->interface));
        case USB_OPERATION_RELEASE:
                return result_from_libusb(libusb_release_interface(handle, job->interface));
        case USB_OPERATION_SET_INTERFACE:
                return result_from_libusb(libusb_set_interface_alt_setting(handle, job->interface,
                                                                           job->alternate));
        case USB_OPERATION_CLEAR_HALT:
                return result_from_libusb(libusb_clear_halt(handle, job->endpoint));
        case USB_OPERATION_RESET:
                return reset(job);
        case USB_OPERATION_ALLOC_STREAMS:
                return alloc_streams(job);
        case USB_OPERATION_FREE_STREAMS:
                return result_from_libusb(
                                libusb_free_streams(handle, job->endpoints, job->n_endpoints));
        case USB_OPERATION_SUSPEND:
                return control_suspend(job, USBDEVFS_ALLOW_SUSPEND);
        case USB_OPERATION_RESUME:
                return control_suspend(job, USBDEVFS_FORBID_SUSPEND);
        case _USB_OPERATION_TYPE_MAX:
                break;
        }

        assert_not_reached();
}

void libusb_job_run(LibusbJob *job) { job->result = run(job); }

void libusb_job_init(LibusbJob *job, libusb_device_handle *handle, int usbfs_fd,
                     const UsbOperation *operation) {
        *job = (LibusbJob){
                .handle = handle,
                .usbfs_fd = usbfs_fd,
                .type = operation->type,
                .interface = operation->interface,
                .alternate = operation->alternate,
                .endpoint = operation->endpoint,
                .n_endpoints = operation->n_endpoints,
                .n_streams = operation->n_streams,
        };
        memcpy(job->endpoints, operation->endpoints, sizeof(job->endpoints));
}
