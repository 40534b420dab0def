/*
 * Packets are collected in a buffer and written when it is full or a moment has passed. The format
 * is that of Documentation/usb/usbmon.rst and of pcap's savefile, in the host's own byte order.
 */

#include "usb/usb_trace.h"

#include <errno.h>
#include <string.h>

#include "usb/usb_descriptors.h"
#include "usb/usb_descriptors_writer.h"

#define BUFFER_SIZE (256 * KIB)
/* Whoever follows the file sees it after so long. */
#define FLUSH_NS (200 * NS_PER_MS)
#define PCAP_MAGIC 0xA1B2C3D4U
#define PCAP_LINK_TYPE 220
#define PCAP_SIZE_MAX (256 * KIB)

/* USB 2.0, tables 9-3 and 9-4. */
#define REQUEST_CLEAR_FEATURE 1
#define REQUEST_GET_DESCRIPTOR 6
#define REQUEST_SET_INTERFACE 11
#define DESCRIPTOR_DEVICE 1
#define DESCRIPTOR_CONFIGURATION 2

typedef struct PcapHeader {
        uint32_t magic;
        uint16_t version_major;
        uint16_t version_minor;
        uint32_t zone;
        uint32_t accuracy;
        uint32_t size_max;
        uint32_t link_type;
} PcapHeader;

typedef struct PcapRecord {
        uint32_t seconds;
        uint32_t microseconds;
        uint32_t captured_size;
        uint32_t original_size;
} PcapRecord;

/* usbmon's `struct usbmon_packet`. */
typedef struct UsbmonPacket {
        uint64_t id;
        uint8_t event;         /* 'S' submitted, 'C' completed */
        uint8_t transfer_type; /* 1 interrupt, 2 control, 3 bulk */
        uint8_t endpoint;
        uint8_t device_number;
        uint16_t bus_number;
        char setup_flag; /* 0: there is a setup packet */
        char data_flag;  /* 0: there are data */
        int64_t seconds;
        int32_t microseconds;
        int32_t status; /* -errno */
        uint32_t size;
        uint32_t captured_size;
        uint8_t setup[8];
        int32_t interval;
        int32_t start_frame;
        uint32_t flags;
        uint32_t n_descriptors;
} UsbmonPacket;

static_assert(sizeof(UsbmonPacket) == 64, "as usbmon has it");

struct UsbTrace {
        UsbDevice *device; /* borrowed */
        UsbTraceOptions options;
        uint64_t realtime_offset_ns; /* from the loop's clock to CLOCK_REALTIME */
        int fd;                      /* owned */
        bool has_failed;
        uint64_t last_id; /* of what has no transfer */
        UsbTraceCounts counts;
        EventTimer timer;
        size_t n_unwritten; /* packets in the buffer */
        size_t size;
        uint8_t buffer[BUFFER_SIZE];
};

/* The file */

static int write_all(int fd, const uint8_t *bytes, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, bytes, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                bytes += n;
                size -= (size_t) n;
        }
        return 0;
}

static void flush(UsbTrace *trace) {
        event_timer_clear(&trace->timer);
        if (!trace->has_failed && write_all(trace->fd, trace->buffer, trace->size) < 0)
                trace->has_failed = true;
        if (trace->has_failed) {
                trace->counts.n_packets -= trace->n_unwritten;
                trace->counts.n_dropped += trace->n_unwritten;
        }
        trace->n_unwritten = 0;
        trace->size = 0;
}

static void on_timer(EventTimer *timer) { flush(container_of(timer, UsbTrace, timer)); }

static void append(UsbTrace *trace, const void *bytes, size_t size) {
        memcpy(trace->buffer + trace->size, bytes, size);
        trace->size += size;
}

/* `packet` is whole but for its time; `data` are what is captured. */
static void add(UsbTrace *trace, UsbmonPacket *packet, const void *data) {
        uint64_t now_ns = event_loop_read_clock_ns(trace->device->loop) + trace->realtime_offset_ns;
        size_t size = sizeof(PcapRecord) + sizeof(*packet) + packet->captured_size;
        bool has_data = packet->data_flag == 0;

        packet->bus_number = trace->options.bus_number;
        packet->device_number = trace->options.device_number;
        packet->seconds = (int64_t) (now_ns / NS_PER_S);
        packet->microseconds = (int32_t) (now_ns % NS_PER_S / NS_PER_US);
        if (trace->size + size > sizeof(trace->buffer))
                flush(trace);
        append(trace,
               &(PcapRecord){
                               .seconds = (uint32_t) packet->seconds,
                               .microseconds = (uint32_t) packet->microseconds,
                               .captured_size = (uint32_t) sizeof(*packet) + packet->captured_size,
                               .original_size = (uint32_t) sizeof(*packet) +
                                                (has_data ? packet->size : 0),
               },
               sizeof(PcapRecord));
        append(trace, packet, sizeof(*packet));
        if (packet->captured_size > 0)
                append(trace, data, packet->captured_size);
        trace->n_unwritten++;
        trace->counts.n_packets++;
        if (!event_timer_is_armed(&trace->timer))
                event_timer_set(&trace->timer, event_loop_now_ns(trace->device->loop) + FLUSH_NS);
}

/* Packets */

static uint8_t get_transfer_type(UsbTransferType type) {
        switch (type) {
        case USB_TRANSFER_TYPE_INTERRUPT:
                return 1;
        case USB_TRANSFER_TYPE_CONTROL:
                return 2;
        case USB_TRANSFER_TYPE_BULK:
        case USB_TRANSFER_TYPE_BULK_STREAM:
                return 3;
        case _USB_TRANSFER_TYPE_MAX:
                break;
        }
        assert_not_reached();
        return 0;
}

/* As the kernel has them in an URB. */
static int32_t get_status(UsbResult result) {
        switch (result) {
        case USB_RESULT_OK:
                return 0;
        case USB_RESULT_STALL:
                return -EPIPE;
        case USB_RESULT_OVERFLOW:
                return -EOVERFLOW;
        case USB_RESULT_TIMED_OUT:
        case USB_RESULT_CANCELLED:
                return -ENOENT;
        case USB_RESULT_NO_MEMORY:
                return -ENOMEM;
        case USB_RESULT_ERROR:
                return -EPROTO;
        case USB_RESULT_GONE:
                return -ESHUTDOWN;
        case _USB_RESULT_MAX:
                break;
        }
        assert_not_reached();
        return 0;
}

static void put_setup(UsbmonPacket *packet, const UsbSetup *setup, size_t size) {
        const uint8_t bytes[8] = {
                setup->request_type,    setup->request,
                (uint8_t) setup->value, (uint8_t) (setup->value >> 8),
                (uint8_t) setup->index, (uint8_t) (setup->index >> 8),
                (uint8_t) size,         (uint8_t) (size >> 8),
        };

        memcpy(packet->setup, bytes, sizeof(bytes));
        packet->setup_flag = 0;
}

static bool is_in(const UsbTransfer *transfer) {
        return (transfer->type == USB_TRANSFER_TYPE_CONTROL ? transfer->setup.request_type
                                                            : transfer->endpoint) &
               USB_ENDPOINT_IN;
}

static UsbmonPacket packet_of(const UsbTransfer *transfer) {
        return (UsbmonPacket){
                .id = (uintptr_t) transfer,
                .transfer_type = get_transfer_type(transfer->type),
                .endpoint = (uint8_t) (transfer->endpoint |
                                       (is_in(transfer) ? USB_ENDPOINT_IN : 0)),
                .setup_flag = '-',
        };
}

static void capture(const UsbTrace *trace, UsbmonPacket *packet, bool has_data, char otherwise) {
        packet->data_flag = has_data ? 0 : otherwise;
        if (has_data)
                packet->captured_size = MIN(packet->size, trace->options.data_size_max);
}

void usb_trace_on_submitted(UsbTrace *trace, const UsbTransfer *transfer) {
        UsbmonPacket packet = packet_of(transfer);

        packet.event = 'S';
        packet.status = -EINPROGRESS;
        packet.size = (uint32_t) transfer->size;
        if (transfer->type == USB_TRANSFER_TYPE_CONTROL)
                put_setup(&packet, &transfer->setup, transfer->size);
        capture(trace, &packet, !is_in(transfer) && transfer->size > 0, '<');
        add(trace, &packet, transfer->data);
}

void usb_trace_on_completed(UsbTrace *trace, const UsbTransfer *transfer) {
        UsbmonPacket packet = packet_of(transfer);

        packet.event = 'C';
        packet.status = get_status(transfer->result);
        packet.size = (uint32_t) transfer->actual_size;
        capture(trace, &packet, is_in(transfer) && transfer->actual_size > 0, '>');
        add(trace, &packet, transfer->data);
}

/* A control request without a transfer of its own, and its answer. */
static void add_request(UsbTrace *trace, const UsbSetup *setup, size_t size, int32_t status,
                        const uint8_t *data, size_t data_size) {
        bool is_reading = setup->request_type & USB_ENDPOINT_IN;
        UsbmonPacket packet = {
                .id = ++trace->last_id,
                .event = 'S',
                .transfer_type = 2,
                .endpoint = is_reading ? USB_ENDPOINT_IN : 0,
                .data_flag = is_reading ? '<' : '>',
                .status = -EINPROGRESS,
                .size = (uint32_t) size,
        };

        put_setup(&packet, setup, size);
        add(trace, &packet, NULL);
        packet.event = 'C';
        packet.status = status;
        packet.setup_flag = '-';
        memset(packet.setup, 0, sizeof(packet.setup));
        packet.size = (uint32_t) data_size;
        packet.data_flag = data_size > 0 ? 0 : '>';
        packet.captured_size = (uint32_t) data_size;
        add(trace, &packet, data);
}

void usb_trace_on_operated(UsbTrace *trace, const UsbOperation *operation) {
        UsbSetup setup = { 0 };

        switch (operation->type) {
        case USB_OPERATION_SET_INTERFACE:
                setup = (UsbSetup){ .request_type = 0x01,
                                    .request = REQUEST_SET_INTERFACE,
                                    .value = operation->alternate,
                                    .index = operation->interface };
                break;
        case USB_OPERATION_CLEAR_HALT:
                setup = (UsbSetup){ .request_type = 0x02,
                                    .request = REQUEST_CLEAR_FEATURE,
                                    .index = operation->endpoint };
                break;
        /* usbmon does not see these either. */
        case USB_OPERATION_CLAIM:
        case USB_OPERATION_RELEASE:
        case USB_OPERATION_RESET:
        case USB_OPERATION_ALLOC_STREAMS:
        case USB_OPERATION_FREE_STREAMS:
        case USB_OPERATION_SUSPEND:
        case USB_OPERATION_RESUME:
        case _USB_OPERATION_TYPE_MAX:
                return;
        }
        add_request(trace, &setup, 0, get_status(operation->result), NULL, 0);
}

static void add_descriptor(UsbTrace *trace, uint8_t type, const uint8_t *bytes, size_t size) {
        const UsbSetup setup = {
                .request_type = USB_ENDPOINT_IN,
                .request = REQUEST_GET_DESCRIPTOR,
                .value = (uint16_t) (type << 8),
        };

        add_request(trace, &setup, size, 0, bytes, size);
}

static void add_descriptors(UsbTrace *trace) {
        const UsbDescriptors *descriptors = usb_device_get_descriptors(trace->device);
        uint8_t bytes[USB_DESCRIPTORS_WRITER_SIZE_MAX];
        size_t size;

        size = usb_descriptors_writer_put_device(descriptors, bytes);
        add_descriptor(trace, DESCRIPTOR_DEVICE, bytes, size);
        size = usb_descriptors_writer_put_configuration(descriptors, bytes);
        add_descriptor(trace, DESCRIPTOR_CONFIGURATION, bytes, size);
}

/* Life */

int usb_trace_new(UsbTrace **ret, UsbDevice *device, int fd, const UsbTraceOptions *options) {
        static const PcapHeader header = {
                .magic = PCAP_MAGIC,
                .version_major = 2,
                .version_minor = 4,
                .size_max = PCAP_SIZE_MAX,
                .link_type = PCAP_LINK_TYPE,
        };
        _cleanup_(fd_closep) int owned_fd = fd;
        _cleanup_(usb_trace_freep) UsbTrace *trace = NULL;
        int r;

        if (device->trace)
                return -EBUSY;
        trace = malloc(sizeof(*trace));
        if (!trace)
                return -ENOMEM;
        memset(trace, 0, offsetof(UsbTrace, buffer));
        trace->fd = TAKE_FD(owned_fd);
        trace->device = device;
        trace->options = *options;
        if (options->data_size_max == 0)
                trace->options.data_size_max = USB_TRACE_DATA_SIZE_DEFAULT;
        trace->options.data_size_max =
                        MIN(trace->options.data_size_max, (uint32_t) USB_TRACE_DATA_SIZE_MAX);
        trace->realtime_offset_ns = options->realtime_ns - event_loop_read_clock_ns(device->loop);
        r = event_timer_init(&trace->timer, device->loop, on_timer);
        if (r < 0)
                return r;
        append(trace, &header, sizeof(header));
        add_descriptors(trace);
        flush(trace);
        if (trace->has_failed)
                return -EIO;
        device->trace = trace;
        *ret = TAKE_PTR(trace);
        return 0;
}

UsbTrace *usb_trace_free(UsbTrace *trace) {
        if (!trace)
                return NULL;
        flush(trace);
        if (trace->device->trace == trace)
                trace->device->trace = NULL;
        event_timer_done(&trace->timer);
        fd_close(trace->fd);
        free(trace);
        return NULL;
}

UsbTraceCounts usb_trace_finish(UsbTrace *trace) {
        UsbTraceCounts counts;

        flush(trace);
        counts = trace->counts;
        usb_trace_free(trace);
        return counts;
}
