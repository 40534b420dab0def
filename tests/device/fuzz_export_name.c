/*
 * Fuzz target: any serial number and port as the name of an export: of allowed characters alone,
 * with its end, and with room for what a worker adds to it.
 */

#include <string.h>

#include "base/bytes.h"
#include "base/macros.h"
#include "device/export_name.h"

#define ALLOWED "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *name) {
        size_t length = strnlen(name, EXPORT_NAME_SIZE_MAX);

        assert(length > strlen("0000-0000-") && length < EXPORT_NAME_SIZE_MAX);
        assert(strspn(name, ALLOWED) == length);
}

/* The numbers, a byte with the port's length, the port, and the serial number as the rest. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char name[EXPORT_NAME_SIZE_MAX], port[64], serial[128];
        size_t port_size, serial_size;

        if (size < 6)
                return 0;
        port_size = MIN((size_t) data[4], sizeof(port) - 1);
        port_size = MIN(port_size, size - 5);
        serial_size = MIN(size - 5 - port_size, sizeof(serial) - 1);
        memcpy(port, data + 5, port_size);
        port[port_size] = '\0';
        memcpy(serial, data + 5 + port_size, serial_size);
        serial[serial_size] = '\0';
        if (port[0] == '\0')
                strcpy(port, "1-1");

        export_name_format(name, get_le16(data), get_le16(data + 2), serial, port);
        check(name);
        export_name_add_port(name, port);
        check(name);
        return 0;
}
