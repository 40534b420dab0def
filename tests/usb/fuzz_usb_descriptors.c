/*
 * libFuzzer's entry for the descriptor parser. The first byte says which configuration is asked for;
 * the rest is parsed as descriptors and as a BOS.
 */

#include "usb/usb_storage_device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        UsbStorageDevice storage_device;
        UsbDescriptors descriptors;

        if (size == 0)
                return 0;
        if (usb_descriptors_parse(&descriptors, data + 1, size - 1, data[0]) == 0)
                for (UsbSpeed speed = 0; speed < _USB_SPEED_MAX; speed++)
                        (void) usb_storage_device_init(&storage_device, &descriptors, speed, ~0U);
        usb_descriptors_parse_bos(&descriptors, data + 1, size - 1);
        return 0;
}
