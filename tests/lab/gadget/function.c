/*
 * FunctionFS: descriptors go in on endpoint 0, transfers are reads and writes, and a transfer in the
 * wrong direction halts an endpoint (Documentation/usb/functionfs.rst). The worker is woken out of a
 * transfer by a signal.
 */

#include "function.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/usb/functionfs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* One request of ours; the kernel's memory for it is contiguous. A multiple of any packet's size. */
#define PIECE_SIZE (64U << 10)
#define POLL_US 1000

#define ENDPOINT_IN (1 | USB_DIR_IN)
#define ENDPOINT_OUT 2
#define ENDPOINT_INTERRUPT (3 | USB_DIR_IN)

/* Built as it goes on the wire: each piece as long as its first byte says. */
typedef struct Descriptors {
        uint8_t bytes[512];
        size_t size;
        uint32_t n;
} Descriptors;

static void append(Descriptors *descriptors, const void *bytes, size_t size) {
        memcpy(descriptors->bytes + descriptors->size, bytes, size);
        descriptors->size += size;
}

static void append_descriptor(Descriptors *descriptors, const void *bytes) {
        append(descriptors, bytes, *(const uint8_t *) bytes);
        descriptors->n++;
}

static void append_32(Descriptors *descriptors, uint32_t value) {
        value = htole32(value);
        append(descriptors, &value, sizeof(value));
}

static void append_endpoint(Descriptors *descriptors, uint8_t address, uint8_t attributes,
                            uint16_t packet_size, uint8_t interval) {
        append_descriptor(descriptors, &(struct usb_endpoint_descriptor_no_audio){
                                                       .bLength = USB_DT_ENDPOINT_SIZE,
                                                       .bDescriptorType = USB_DT_ENDPOINT,
                                                       .bEndpointAddress = address,
                                                       .bmAttributes = attributes,
                                                       .wMaxPacketSize = htole16(packet_size),
                                                       .bInterval = interval,
                                       });
}

static void append_companion(Descriptors *descriptors, bool is_interrupt) {
        append_descriptor(descriptors,
                          &(struct usb_ss_ep_comp_descriptor){
                                          .bLength = USB_DT_SS_EP_COMP_SIZE,
                                          .bDescriptorType = USB_DT_SS_ENDPOINT_COMP,
                                          .wBytesPerInterval = htole16(is_interrupt ? 2 : 0),
                          });
}

/* The interface at one speed. */
static void append_interface(Descriptors *descriptors, uint8_t subclass, uint8_t protocol,
                             uint16_t packet_size) {
        bool has_interrupt = protocol == FUNCTION_INTERFACE_CBI;
        bool is_super = packet_size == 1024;

        descriptors->n = 0;
        append_descriptor(descriptors, &(struct usb_interface_descriptor){
                                                       .bLength = USB_DT_INTERFACE_SIZE,
                                                       .bDescriptorType = USB_DT_INTERFACE,
                                                       .bNumEndpoints = has_interrupt ? 3 : 2,
                                                       .bInterfaceClass = USB_CLASS_MASS_STORAGE,
                                                       .bInterfaceSubClass = subclass,
                                                       .bInterfaceProtocol = protocol,
                                       });
        append_endpoint(descriptors, ENDPOINT_IN, USB_ENDPOINT_XFER_BULK, packet_size, 0);
        if (is_super)
                append_companion(descriptors, false);
        append_endpoint(descriptors, ENDPOINT_OUT, USB_ENDPOINT_XFER_BULK, packet_size, 0);
        if (is_super)
                append_companion(descriptors, false);
        if (!has_interrupt)
                return;
        append_endpoint(descriptors, ENDPOINT_INTERRUPT, USB_ENDPOINT_XFER_INT, 2,
                        packet_size == 64 ? 4 : 6);
        if (is_super)
                append_companion(descriptors, true);
}

static bool write_all(int fd, const Descriptors *descriptors) {
        return write(fd, descriptors->bytes, descriptors->size) == (ssize_t) descriptors->size;
}

static bool describe(int fd, uint8_t subclass, uint8_t protocol) {
        static const uint16_t packet_sizes[] = { 64, 512, 1024 };
        Descriptors all = { 0 }, at[3] = { 0 };
        size_t size = (size_t) 6 * 4;

        for (size_t i = 0; i < 3; i++) {
                append_interface(&at[i], subclass, protocol, packet_sizes[i]);
                size += at[i].size;
        }
        append_32(&all, FUNCTIONFS_DESCRIPTORS_MAGIC_V2);
        append_32(&all, (uint32_t) size);
        append_32(&all, FUNCTIONFS_HAS_FS_DESC | FUNCTIONFS_HAS_HS_DESC | FUNCTIONFS_HAS_SS_DESC);
        for (size_t i = 0; i < 3; i++)
                append_32(&all, at[i].n);
        for (size_t i = 0; i < 3; i++)
                append(&all, at[i].bytes, at[i].size);
        return write_all(fd, &all);
}

static bool name_nothing(int fd) {
        Descriptors strings = { 0 };

        append_32(&strings, FUNCTIONFS_STRINGS_MAGIC);
        append_32(&strings, 4 * 4);
        append_32(&strings, 0);
        append_32(&strings, 0);
        return write_all(fd, &strings);
}

static int open_endpoint(const char *folder, const char *name) {
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        return open(path, O_RDWR | O_CLOEXEC);
}

static void on_signal(int number) { (void) number; }

bool function_open(Function *function, const char *folder, uint8_t subclass, uint8_t protocol) {
        /* Without SA_RESTART: it is there to break transfers off. */
        if (sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal }, NULL) < 0)
                return false;

        function->interrupt_fd = -1;
        function->control_fd = open_endpoint(folder, "ep0");
        if (function->control_fd < 0 || !describe(function->control_fd, subclass, protocol) ||
            !name_nothing(function->control_fd))
                return false;
        function->in_fd = open_endpoint(folder, "ep1");
        function->out_fd = open_endpoint(folder, "ep2");
        if (protocol == FUNCTION_INTERFACE_CBI) {
                function->interrupt_fd = open_endpoint(folder, "ep3");
                if (function->interrupt_fd < 0)
                        return false;
        }
        return function->in_fd >= 0 && function->out_fd >= 0;
}

void function_reset(Function *function) {
        unsigned asked = atomic_fetch_add(&function->n_resets_asked, 1) + 1;

        while (atomic_load(&function->n_resets_seen) != asked) {
                pthread_kill(function->worker, SIGUSR1);
                usleep(POLL_US);
        }
}

bool function_is_reset(Function *function) {
        return atomic_load(&function->n_resets_seen) != atomic_load(&function->n_resets_asked);
}

void function_forget(Function *function) {
        atomic_store(&function->n_resets_seen, atomic_load(&function->n_resets_asked));
}

bool function_send(Function *function, const void *data, size_t size) {
        const uint8_t *bytes = data;
        size_t at = 0;

        do {
                size_t piece = MIN(size - at, (size_t) PIECE_SIZE);

                if (function_is_reset(function) ||
                    write(function->in_fd, bytes + at, piece) != (ssize_t) piece)
                        return false;
                at += piece;
        } while (at < size);
        return true;
}

bool function_send_status(Function *function, const void *data, size_t size) {
        return !function_is_reset(function) &&
               write(function->interrupt_fd, data, size) == (ssize_t) size;
}

ssize_t function_receive_transfer(Function *function, void *data, size_t size) {
        if (function_is_reset(function))
                return -1;
        return read(function->out_fd, data, size);
}

bool function_receive(Function *function, void *data, size_t size) {
        uint8_t *bytes = data;

        for (size_t at = 0; at < size;) {
                size_t piece = MIN(size - at, (size_t) PIECE_SIZE);
                ssize_t n = function_receive_transfer(function, bytes + at, piece);

                /* A short packet is the end (USB 2.0, 5.8.3). */
                if (n < (ssize_t) piece)
                        return false;
                at += piece;
        }
        return true;
}

/* What a controller still has in its FIFO must go first (EAGAIN). */
void function_halt_in(Function *function) {
        uint8_t byte;

        while (!function_is_reset(function)) {
                if (read(function->in_fd, &byte, 1) < 0 && errno == EBADMSG)
                        return;
                usleep(POLL_US);
        }
}

void function_halt_out(Function *function) {
        if (!function_is_reset(function) &&
            (write(function->out_fd, "", 1) >= 0 || errno != EBADMSG))
                printf("The OUT pipe could not be halted: %m\n");
}

void function_await_reset(Function *function) {
        while (!function_is_reset(function))
                usleep(POLL_US);
}
