/*
 * LUNs without a file get a memfd, so that what is on a simulated medium outlives the worker, as it
 * does on a real one.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>

#include "base/log.h"
#include "daemon_simulation.h"
#include "simulator/simulator_spec.h"

typedef struct ImageFiles {
        int *fds; /* owned */
        size_t n_fds;
} ImageFiles;

static void image_files_done(ImageFiles *files) {
        for (size_t i = 0; files->fds && i < files->n_fds; i++)
                fd_close(files->fds[i]);
        free(files->fds);
}

/*
 * Two disks on one image would each have a cache of their own. The lock is the descriptor's: it
 * lasts as long as the worker that has a copy, also when its manager was killed.
 */
static int open_file(const char *path, bool is_read_only) {
        _cleanup_(fd_closep) int fd = -EBADF;

        fd = open(path, (is_read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
        if (fd < 0) {
                log_error("--simulate: %s: %s", path, strerror(errno));
                return -errno;
        }
        if (flock(fd, (is_read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0) {
                log_error("--simulate: %s is in use: %s", path, strerror(errno));
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        }
        return TAKE_FD(fd);
}

static int open_image(const SimulatorSpec *spec, size_t lun) {
        _cleanup_(fd_closep) int fd = -EBADF;

        if (lun < spec->n_files)
                return open_file(spec->files[lun], spec->is_read_only);

        fd = memfd_create("simulated medium", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, (off_t) spec->size) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int open_images(const SimulatorSpec *spec, ImageFiles *ret) {
        ret->fds = calloc(spec->n_luns, sizeof(*ret->fds));
        if (!ret->fds)
                return -ENOMEM;
        for (size_t lun = 0; lun < spec->n_luns; lun++) {
                int fd = open_image(spec, lun);

                if (fd < 0)
                        return fd;
                ret->fds[ret->n_fds++] = fd;
        }
        return 0;
}

int daemon_simulation_add(DeviceManager *manager, const char *text) {
        _cleanup_(image_files_done) ImageFiles files = {};
        _cleanup_(freep) char *error = NULL;
        SimulatorSpec spec;
        int r;

        r = simulator_spec_parse(&spec, text, &error);
        if (r < 0) {
                log_error("--simulate %s: %s", text, error ? error : strerror(-r));
                return r;
        }
        r = open_images(&spec, &files);
        if (r < 0)
                return r;

        r = device_manager_add_simulation(manager,
                                          &(DeviceSimulation){
                                                          .spec = text,
                                                          .vendor_id = spec.vendor_id,
                                                          .product_id = spec.product_id,
                                                          .serial = spec.serial,
                                                          .is_read_only = spec.is_read_only,
                                                          .fds = TAKE_PTR(files.fds),
                                                          .n_fds = files.n_fds,
                                          });
        if (r < 0)
                log_error("--simulate %s: %s", text,
                          r == -ENOSPC ? "there are too many devices" : strerror(-r));
        return r;
}
