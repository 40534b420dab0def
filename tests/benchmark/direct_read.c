/*
 * direct_read: reads a block device past the page cache, one request at a time, and prints what
 * came: the peer that the block layer is measured against. One line of key=value pairs.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include <linux/fs.h>

#include "base/histogram.h"
#include "base/macros.h"

#define ALIGNMENT 4096
#define REQUEST_SIZE_MAX (32 * MIB)

static uint64_t now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * NS_PER_S + (uint64_t) now.tv_nsec;
}

static int read_device(int fd, uint8_t *buffer, size_t size, uint64_t end_ns, Histogram *latency) {
        uint64_t device_size, offset = 0;

        if (ioctl(fd, BLKGETSIZE64, &device_size) < 0)
                return -errno;
        while (now_ns() < end_ns) {
                uint64_t started_ns = now_ns();

                if (pread(fd, buffer, size, (off_t) offset) != (ssize_t) size)
                        return -EIO;
                histogram_record(latency, now_ns() - started_ns);
                offset += size;
                if (offset + size > device_size)
                        offset = 0;
        }
        return 0;
}

static int run(const char *path, size_t size, double seconds) {
        _cleanup_(fd_closep) int fd = -EBADF;
        _cleanup_(freep) uint8_t *buffer = NULL;
        Histogram latency;
        uint64_t started_ns;
        double elapsed;
        int r;

        fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        buffer = aligned_alloc(ALIGNMENT, ALIGN_UP(size, ALIGNMENT));
        if (!buffer)
                return -ENOMEM;
        histogram_init(&latency);
        started_ns = now_ns();
        r = read_device(fd, buffer, size, started_ns + (uint64_t) (seconds * (double) NS_PER_S),
                        &latency);
        if (r < 0)
                return r;
        elapsed = (double) (now_ns() - started_ns) / (double) NS_PER_S;
        printf("iops=%.0f mb_per_s=%.1f p50_us=%.1f p99_us=%.1f\n",
               (double) latency.n_values / elapsed,
               (double) latency.n_values * (double) size / 1e6 / elapsed,
               (double) histogram_quantile(&latency, 500) / 1e3,
               (double) histogram_quantile(&latency, 990) / 1e3);
        return 0;
}

int main(int argc, char **argv) {
        size_t size = argc == 4 ? strtoul(argv[2], NULL, 0) : 0;
        double seconds = argc == 4 ? strtod(argv[3], NULL) : 0;
        int r;

        if (size == 0 || size > REQUEST_SIZE_MAX || seconds <= 0) {
                fputs("direct_read DEVICE BYTES SECONDS\n", stderr);
                return 2;
        }
        r = run(argv[1], size, seconds);
        if (r < 0) {
                fprintf(stderr, "direct_read: %s: %s\n", argv[1], strerror(-r));
                return 1;
        }
        return 0;
}
