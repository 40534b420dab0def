/* Hashes by nettle: USBGuard's rules can be used as they are. */

#include <nettle/base64.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#include "device/device_identity.h"
#include "usb/usb_descriptors.h"

#define VERSION_OFFSET 12

static_assert(BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) < DEVICE_IDENTITY_HASH_SIZE,
              "a hash has its place");

static void hash_text(struct sha256_ctx *context, const char *text) {
        sha256_update(context, strlen(text), (const uint8_t *) text);
}

static void hash_id(struct sha256_ctx *context, uint16_t id) {
        char text[5];

        snprintf(text, sizeof(text), "%04x", id);
        hash_text(context, text);
}

/* The kernel's own hubs have its version in bcdDevice (USB 2.0, table 9-8). */
static bool is_root_hub(const DeviceIdentity *identity) {
        return identity->vendor_id == 0x1d6b && identity->product_id >= 1 &&
               identity->product_id <= 3;
}

static void hash_descriptors(struct sha256_ctx *context, const DeviceIdentity *identity,
                             const uint8_t *descriptors, size_t size) {
        static const uint8_t no_version[2];

        if (is_root_hub(identity) && size >= VERSION_OFFSET + sizeof(no_version)) {
                sha256_update(context, VERSION_OFFSET, descriptors);
                sha256_update(context, sizeof(no_version), no_version);
                descriptors += VERSION_OFFSET + sizeof(no_version);
                size -= VERSION_OFFSET + sizeof(no_version);
        }
        sha256_update(context, size, descriptors);
}

static void make_hash(DeviceIdentity *identity, const uint8_t *descriptors, size_t size) {
        struct sha256_ctx context;
        uint8_t digest[SHA256_DIGEST_SIZE];

        sha256_init(&context);
        hash_text(&context, identity->name);
        hash_id(&context, identity->vendor_id);
        hash_id(&context, identity->product_id);
        hash_text(&context, identity->serial);
        hash_descriptors(&context, identity, descriptors, size);
        sha256_digest(&context, sizeof(digest), digest);
        base64_encode_raw(identity->hash, sizeof(digest), digest);
        identity->hash[BASE64_ENCODE_RAW_LENGTH(sizeof(digest))] = '\0';
}

void device_identity_set_descriptors(DeviceIdentity *identity, const uint8_t *descriptors,
                                     size_t size) {
        UsbDescriptors parsed = {};

        make_hash(identity, descriptors, size);
        identity->n_interfaces = 0;
        if (usb_descriptors_parse(&parsed, descriptors, size, /* configuration_value= */ 0) < 0)
                return;
        for (size_t i = 0; i < parsed.n_interfaces; i++) {
                if (identity->n_interfaces == N_ELEMENTS(identity->interfaces))
                        return;
                identity->interfaces[identity->n_interfaces++] = (DeviceInterfaceType){
                        .class = parsed.interfaces[i].class,
                        .subclass = parsed.interfaces[i].subclass,
                        .protocol = parsed.interfaces[i].protocol,
                };
        }
}
