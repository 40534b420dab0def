#include <string.h>

#include "cache/cache_identity.h"

/* All of it is compared, and stored: there is no padding that could differ. */
static_assert(sizeof(CacheIdentity) == 2 * sizeof(uint16_t) + sizeof(uint32_t) + sizeof(uint64_t) +
                                                       sizeof(((CacheIdentity *) 0)->usb_serial) +
                                                       sizeof(((CacheIdentity *) 0)->vendor) +
                                                       sizeof(((CacheIdentity *) 0)->product) +
                                                       sizeof(((CacheIdentity *) 0)->unit_serial) +
                                                       sizeof(((CacheIdentity *) 0)->identifier),
              "there is no padding");

/* `to` is all zeroes. What does not fit is cut off: each time alike. */
static void copy_text(char *to, size_t to_size, const char *text) {
        memcpy(to, text, MIN(strlen(text), to_size - 1));
}

/* Terminated, and nothing behind the end. */
static bool is_text(const char *text, size_t size) {
        size_t length = strnlen(text, size);

        for (size_t i = length; i < size; i++)
                if (text[i] != '\0')
                        return false;
        return length < size;
}

void cache_identity_init(CacheIdentity *identity, const UsbDescriptors *descriptors,
                         const char *usb_serial, const ScsiDisk *disk) {
        *identity = (CacheIdentity){
                .vendor_id = descriptors->vendor_id,
                .product_id = descriptors->product_id,
                .block_size = disk->block_size,
                .n_blocks = disk->n_blocks,
        };
        copy_text(identity->usb_serial, sizeof(identity->usb_serial), usb_serial);
        copy_text(identity->vendor, sizeof(identity->vendor), disk->vendor);
        copy_text(identity->product, sizeof(identity->product), disk->product);
        copy_text(identity->unit_serial, sizeof(identity->unit_serial), disk->serial);
        copy_text(identity->identifier, sizeof(identity->identifier), disk->identifier);
}

bool cache_identity_is_equal(const CacheIdentity *a, const CacheIdentity *b) {
        return memcmp(a, b, sizeof(*a)) == 0;
}

/* Takes a number from the one that has it. */
static void complete(char *a, char *b, size_t size) {
        if (a[0] == '\0')
                memcpy(a, b, size);
        else if (b[0] == '\0')
                memcpy(b, a, size);
}

bool cache_identity_may_be_same(const CacheIdentity *a, const CacheIdentity *b) {
        CacheIdentity one = *a, other = *b;

        complete(one.usb_serial, other.usb_serial, sizeof(one.usb_serial));
        complete(one.unit_serial, other.unit_serial, sizeof(one.unit_serial));
        complete(one.identifier, other.identifier, sizeof(one.identifier));
        return cache_identity_is_equal(&one, &other);
}

bool cache_identity_is_sane(const CacheIdentity *identity) {
        return is_power_of_two(identity->block_size) && identity->block_size >= 512 &&
               identity->block_size <= 4096 && identity->n_blocks > 0 &&
               identity->n_blocks <= INT64_MAX / identity->block_size &&
               is_text(identity->usb_serial, sizeof(identity->usb_serial)) &&
               is_text(identity->vendor, sizeof(identity->vendor)) &&
               is_text(identity->product, sizeof(identity->product)) &&
               is_text(identity->unit_serial, sizeof(identity->unit_serial)) &&
               is_text(identity->identifier, sizeof(identity->identifier));
}
