/* Unix and TCP listening sockets, and those of socket activation. */

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "daemon_listeners.h"
#include "daemon_nbd.h"

#define UNIX_PREFIX DAEMON_NBD_UNIX_PREFIX
#define TCP_PREFIX DAEMON_NBD_TCP_PREFIX
#define SOCKET_MODE_DEFAULT 0660
#define LISTEN_BACKLOG 128
#define HOST_SIZE_MAX 256

/* A socket file that nobody listens on is left over from a crash. -EADDRINUSE if somebody does. */
static int remove_stale(const struct sockaddr_un *address) {
        _cleanup_(fd_closep) int fd = -EBADF;
        struct stat status;

        if (lstat(address->sun_path, &status) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(status.st_mode))
                return -EEXIST;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *) address, sizeof(*address)) == 0 ||
            errno != ECONNREFUSED)
                return -EADDRINUSE;
        return unlink(address->sun_path) < 0 ? -errno : 0;
}

/* Nobody can connect before listen(). */
static int set_rights(const char *path, const DaemonSettings *settings) {
        const char *text = settings->socket_mode;
        mode_t mode = text && text[0] != '\0' ? daemon_nbd_get_mode(text) : SOCKET_MODE_DEFAULT;
        gid_t group = daemon_nbd_get_group(settings->socket_group);

        if (group != (gid_t) -1 && chown(path, (uid_t) -1, group) < 0)
                return -errno;
        return chmod(path, mode) < 0 ? -errno : 0;
}

static int open_unix(const char *path, const DaemonSettings *settings) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_(fd_closep) int fd = -EBADF;
        int r;

        if (strlen(path) == 0 || strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        r = remove_stale(&address);
        if (r < 0)
                return r;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        /* Who may connect may read and write disks. */
        if (fchmod(fd, 0600) < 0)
                return -errno;
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        r = set_rights(path, settings);
        if (r < 0)
                return r;
        if (listen(fd, LISTEN_BACKLOG) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int open_tcp_address(const struct addrinfo *info) {
        _cleanup_(fd_closep) int fd = -EBADF;
        int yes = 1;

        fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0)
                return -errno;
        if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int open_tcp(const char *text) {
        static const struct addrinfo hints = {
                .ai_family = AF_UNSPEC,
                .ai_socktype = SOCK_STREAM,
                .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
        };
        const char *colon = strrchr(text, ':');
        char host[HOST_SIZE_MAX];
        struct addrinfo *found = NULL;
        size_t size;
        int r;

        size = colon ? (size_t) (colon - text) : 0;
        if (size == 0 || size >= sizeof(host))
                return -EINVAL;
        /* [::1]:10809 */
        if (text[0] == '[' && colon[-1] == ']') {
                text++;
                size -= 2;
        }
        memcpy(host, text, size);
        host[size] = '\0';

        if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
                return -EADDRNOTAVAIL;
        r = open_tcp_address(found);
        freeaddrinfo(found);
        return r;
}

int daemon_listeners_open(DeviceManager *manager, const char *address,
                          const DaemonSettings *settings) {
        int r;

        if (strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
                r = open_unix(address + strlen(UNIX_PREFIX), settings);
        else if (strncmp(address, TCP_PREFIX, strlen(TCP_PREFIX)) == 0)
                r = open_tcp(address + strlen(TCP_PREFIX));
        else {
                log_error("%s: allowed are unix:PATH and tcp:HOST:PORT", address);
                return -EINVAL;
        }
        if (r >= 0)
                r = device_manager_listen(manager, r);
        if (r < 0) {
                log_error("%s: can't listen there: %s", address, strerror(-r));
                return r;
        }
        log_info("Listening on %s", address);
        return 0;
}

void daemon_listeners_remove(const char *address) {
        if (strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0 &&
            unlink(address + strlen(UNIX_PREFIX)) < 0)
                log_warning("%s can't be removed, ignoring: %s", address, strerror(errno));
}

static void names_free(char ***names) {
        for (char **name = *names; name && *name; name++)
                free(*name);
        free(*names);
}

static int take_socket(DeviceManager *manager, int fd, const DaemonSettings *settings) {
        if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, /* listening= */ 1) <= 0) {
                log_error("Passed descriptor %d is no listening stream socket", fd);
                return -EINVAL;
        }
        if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, /* listening= */ 1) <= 0 &&
            settings->tls_mode == NBD_TLS_MODE_OFF && !settings->allows_plain_tcp) {
                log_error("Passed descriptor %d is TCP, and there is no TLS for it: set tls, or "
                          "tcp_without_tls = yes",
                          fd);
                return -EPERM;
        }
        if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
                return -errno;
        return device_manager_listen(manager, fd);
}

/* What a former release kept, or another program, is of no use, but no reason not to start. */
static void take_arena(DeviceManager *manager, int fd, const char *name) {
        int r;

        r = device_manager_take_stored(manager, fd, name);
        if (r < 0)
                log_error("%s, which systemd kept, can't be used: %s", name, strerror(-r));
}

int daemon_listeners_take_passed(DeviceManager *manager, const DaemonSettings *settings) {
        _cleanup_(names_free) char **names = NULL;
        int n_fds, r, n_sockets = 0;

        n_fds = sd_listen_fds_with_names(/* unset_environment= */ 1, &names);
        for (int i = 0; i < n_fds; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (device_manager_is_stored_name(names[i])) {
                        take_arena(manager, fd, names[i]);
                        continue;
                }
                r = take_socket(manager, fd, settings);
                if (r < 0)
                        return r;
                n_sockets++;
        }
        return n_fds < 0 ? n_fds : n_sockets;
}
