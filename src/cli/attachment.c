/* Paths below /sys/block and /dev. */

#include "cli/attachment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/ctl_text.h"

#define IDENTIFIER_PREFIX "usb-storage-"
#define DEVICE_PREFIX "nbd"
#define SECTOR_SIZE 512 /* sysfs tells sizes in these */

int attachment_new(Attachment **ret, const char *export) {
        Attachment *attachment = calloc(1, sizeof(*attachment));
        int n;

        if (!attachment)
                ctl_text_no_memory();
        n = snprintf(attachment->identifier, sizeof(attachment->identifier), IDENTIFIER_PREFIX "%s",
                     export);
        if (n < 0 || (size_t) n >= sizeof(attachment->identifier)) {
                free(attachment);
                return -ENAMETOOLONG;
        }
        attachment->export = ctl_text_copy(export);
        *ret = attachment;
        return 0;
}

Attachment *attachment_free(Attachment *attachment) {
        if (!attachment)
                return NULL;
        free(attachment->export);
        free(attachment);
        return NULL;
}

char *attachment_path(uint32_t index) { return ctl_text_format("/dev/" DEVICE_PREFIX "%u", index); }

static bool parse_name(const char *name, uint32_t *ret_index) {
        uint64_t index;

        if (strncmp(name, DEVICE_PREFIX, strlen(DEVICE_PREFIX)) != 0 ||
            ctl_text_parse_number(name + strlen(DEVICE_PREFIX), INT_MAX, &index) < 0)
                return false;
        *ret_index = (uint32_t) index;
        return true;
}

bool attachment_parse_path(const char *path, uint32_t *ret_index) {
        return strncmp(path, "/dev/", 5) == 0 && parse_name(path + 5, ret_index);
}

/* False: it has none, so it is not attached, or by somebody who tells none. */
static bool read_identifier(uint32_t index, char *identifier, size_t size) {
        _cleanup_(freep) char *path =
                        ctl_text_format("/sys/block/" DEVICE_PREFIX "%u/backend", index);
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return false;
        n = read(fd, identifier, size - 1);
        if (n <= 0)
                return false;
        identifier[n] = '\0';
        identifier[strcspn(identifier, "\n")] = '\0';
        return true;
}

bool attachment_find(const char *identifier, uint32_t *ret_index) {
        char found[NBD_NETLINK_IDENTIFIER_SIZE];
        bool is_found = false;
        struct dirent *entry;
        uint32_t index;
        DIR *folder;

        folder = opendir("/sys/block");
        while (folder && !is_found && (entry = readdir(folder)))
                if (parse_name(entry->d_name, &index) &&
                    read_identifier(index, found, sizeof(found)) &&
                    strcmp(found, identifier) == 0) {
                        *ret_index = index;
                        is_found = true;
                }
        if (folder)
                closedir(folder);
        return is_found;
}

bool attachment_is_same(const AttachmentFacts *attached, const AttachmentFacts *offered) {
        if (attached->size != offered->size || attached->block_size != offered->block_size ||
            attached->is_read_only != offered->is_read_only)
                return false;
        return attached->worker == 0 || attached->worker != offered->worker ||
               attached->export_number == offered->export_number;
}

static int read_number(uint32_t index, const char *name, uint64_t *ret) {
        _cleanup_(freep) char *path =
                        ctl_text_format("/sys/block/" DEVICE_PREFIX "%u/%s", index, name);
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        char text[32];
        ssize_t n;

        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        text[strcspn(text, "\n")] = '\0';
        return ctl_text_parse_number(text, UINT64_MAX, ret);
}

int attachment_read_facts(uint32_t index, AttachmentFacts *ret) {
        uint64_t n_sectors, block_size, is_read_only;
        int r;

        r = read_number(index, "size", &n_sectors);
        if (r == 0)
                r = read_number(index, "queue/logical_block_size", &block_size);
        if (r == 0)
                r = read_number(index, "ro", &is_read_only);
        if (r < 0)
                return r;
        *ret = (AttachmentFacts){
                .size = n_sectors * SECTOR_SIZE,
                .block_size = (uint32_t) block_size,
                .is_read_only = is_read_only != 0,
        };
        return 0;
}

char *attachment_get_export(uint32_t index) {
        char identifier[NBD_NETLINK_IDENTIFIER_SIZE];

        if (!read_identifier(index, identifier, sizeof(identifier)) ||
            strncmp(identifier, IDENTIFIER_PREFIX, strlen(IDENTIFIER_PREFIX)) != 0)
                return NULL;
        return ctl_text_copy(identifier + strlen(IDENTIFIER_PREFIX));
}

int attachment_is_in_use(uint32_t index) {
        _cleanup_(freep) char *path = attachment_path(index);
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);

        if (fd >= 0)
                return false;
        return errno == EBUSY ? true : -errno;
}

int attachment_sync(uint32_t index) {
        _cleanup_(freep) char *path = attachment_path(index);
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return fsync(fd) < 0 ? -errno : 0;
}

void attachment_announce(uint32_t index) {
        _cleanup_(freep) char *path =
                        ctl_text_format("/sys/block/" DEVICE_PREFIX "%u/uevent", index);
        _cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

        /* Without it the device works as well, but has its links later. */
        if (fd >= 0 && write(fd, "change", 6) < 0)
                return;
}
