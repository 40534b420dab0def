/* Keys that need each other, files that must be there, and names of users and groups. */

#include "daemon_nbd.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "negotiation/nbd_access_parser.h"

#define COMPLAINT_SIZE_MAX 1024
#define MODE_DIGITS_MAX 4

typedef struct TlsFile {
        const char *key;
        size_t offset; /* of the path in DaemonSettings */
        bool is_secret;
} TlsFile;

static const TlsFile tls_files[_CONTROL_TLS_FILE_MAX] = {
        [CONTROL_TLS_FILE_CERTIFICATE] = { "tls_certificate",
                                           offsetof(DaemonSettings, tls_certificate) },
        [CONTROL_TLS_FILE_KEY] = { "tls_key", offsetof(DaemonSettings, tls_key), true },
        [CONTROL_TLS_FILE_AUTHORITIES] = { "tls_client_ca",
                                           offsetof(DaemonSettings, tls_client_ca) },
        [CONTROL_TLS_FILE_REVOKED] = { "tls_client_crl", offsetof(DaemonSettings, tls_client_crl) },
        [CONTROL_TLS_FILE_PSK] = { "tls_psk", offsetof(DaemonSettings, tls_psk), true },
};

void daemon_nbd_init(DaemonNbd *nbd) {
        *nbd = (DaemonNbd){ 0 };
        for (size_t i = 0; i < N_ELEMENTS(nbd->tls_fds); i++)
                nbd->tls_fds[i] = -EBADF;
}

void daemon_nbd_done(DaemonNbd *nbd) {
        nbd_access_list_done(&nbd->access);
        for (size_t i = 0; i < N_ELEMENTS(nbd->tls_fds); i++)
                nbd->tls_fds[i] = fd_close(nbd->tls_fds[i]);
}

/* Keys */

static bool is_tcp(const char *address) {
        return strncmp(address, DAEMON_NBD_TCP_PREFIX, strlen(DAEMON_NBD_TCP_PREFIX)) == 0;
}

bool daemon_nbd_is_address(const char *text) {
        const char *colon;

        if (strncmp(text, DAEMON_NBD_UNIX_PREFIX, strlen(DAEMON_NBD_UNIX_PREFIX)) == 0)
                return text[strlen(DAEMON_NBD_UNIX_PREFIX)] == '/';
        if (!is_tcp(text))
                return false;
        text += strlen(DAEMON_NBD_TCP_PREFIX);
        colon = strrchr(text, ':');
        return colon && colon != text && colon[1] != '\0' &&
               colon[1 + strspn(colon + 1, "0123456789")] == '\0';
}

bool daemon_nbd_is_mode(const char *text) {
        size_t n = strspn(text, "01234567");

        return n <= MODE_DIGITS_MAX && text[n] == '\0' && daemon_nbd_get_mode(text) <= 0777;
}

mode_t daemon_nbd_get_mode(const char *text) { return (mode_t) strtoul(text, NULL, 8); }

bool daemon_nbd_is_group(const char *text) { return text[0] == '\0' || getgrnam(text) != NULL; }

gid_t daemon_nbd_get_group(const char *text) {
        const struct group *group = text && text[0] != '\0' ? getgrnam(text) : NULL;

        return group ? group->gr_gid : (gid_t) -1;
}

/* TLS */

typedef struct TlsCheck {
        const DaemonSettings *settings;
        const DaemonOptions *options;
        DaemonNbdComplain complain;
        void *userdata;
        int result;
} TlsCheck;

static void refuse(TlsCheck *check, size_t offset, const char *text) {
        check->complain(offset, text, check->userdata);
        check->result = -EINVAL;
}

/* NULL: no such file is named. */
static const char *get_path(const DaemonSettings *settings, ControlTlsFile file) {
        const char *path = *(const char *const *) (const void *) ((const uint8_t *) settings +
                                                                  tls_files[file].offset);

        return path && path[0] != '\0' ? path : NULL;
}

static void check_pairs(TlsCheck *check) {
        const DaemonSettings *settings = check->settings;
        bool has_certificate = get_path(settings, CONTROL_TLS_FILE_CERTIFICATE);
        bool has_key = get_path(settings, CONTROL_TLS_FILE_KEY);
        bool has_authorities = get_path(settings, CONTROL_TLS_FILE_AUTHORITIES);

        if (has_certificate && !has_key)
                refuse(check, offsetof(DaemonSettings, tls_certificate),
                       "tls_certificate needs tls_key as well");
        if (has_key && !has_certificate)
                refuse(check, offsetof(DaemonSettings, tls_key),
                       "tls_key needs tls_certificate as well");
        if (has_authorities && !has_certificate)
                refuse(check, offsetof(DaemonSettings, tls_client_ca),
                       "tls_client_ca needs tls_certificate and tls_key as well");
        if (get_path(settings, CONTROL_TLS_FILE_REVOKED) && !has_authorities)
                refuse(check, offsetof(DaemonSettings, tls_client_crl),
                       "tls_client_crl needs tls_client_ca as well");
        if (settings->tls_mode == NBD_TLS_MODE_OFF)
                return;
        if (!HAVE_TLS)
                refuse(check, offsetof(DaemonSettings, tls_mode), "tls: this build has no TLS");
        else if (!has_certificate && !has_key && !get_path(settings, CONTROL_TLS_FILE_PSK))
                refuse(check, offsetof(DaemonSettings, tls_mode),
                       "tls needs tls_certificate and tls_key, or tls_psk, or both");
}

/* What goes over a network in the clear is read and changed by others: nobody gets that by accident. */
static void check_address(TlsCheck *check, const char *address) {
        char text[COMPLAINT_SIZE_MAX];

        if (!is_tcp(address))
                return;
        snprintf(text, sizeof(text),
                 "%s: no TCP without TLS: set tls, with what it needs, or tcp_without_tls = yes if "
                 "everybody on that network may read and write the disks",
                 address);
        refuse(check, offsetof(DaemonSettings, listen), text);
}

static void check_addresses(TlsCheck *check) {
        const DaemonOptions *options = check->options;

        if (check->settings->tls_mode != NBD_TLS_MODE_OFF || check->settings->allows_plain_tcp)
                return;
        for (size_t i = 0; i < options->n_listen_addresses; i++)
                check_address(check, options->listen_addresses[i]);
        /* The command line's take their place. */
        if (options->n_listen_addresses > 0)
                return;
        for (char **address = check->settings->listen; address && *address; address++)
                check_address(check, *address);
}

static int open_tls_file(const char *path, bool is_secret, const char **ret_wrong) {
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat status;

        if (fd < 0 || fstat(fd, &status) < 0)
                *ret_wrong = strerror(errno);
        else if (!S_ISREG(status.st_mode))
                *ret_wrong = "must be a file";
        else if (is_secret && status.st_mode & S_IRWXO)
                *ret_wrong = "is open to all users: take their rights away (chmod o=)";
        else
                return TAKE_FD(fd);
        return -EINVAL;
}

static void open_tls_files(DaemonNbd *nbd, TlsCheck *check) {
        for (size_t i = 0; i < _CONTROL_TLS_FILE_MAX; i++) {
                const char *path = get_path(check->settings, (ControlTlsFile) i);
                char text[COMPLAINT_SIZE_MAX];
                const char *wrong;

                if (!path)
                        continue;
                nbd->tls_fds[i] = open_tls_file(path, tls_files[i].is_secret, &wrong);
                if (nbd->tls_fds[i] >= 0)
                        continue;
                snprintf(text, sizeof(text), "%s = %s: %s", tls_files[i].key, path, wrong);
                refuse(check, tls_files[i].offset, text);
        }
}

int daemon_nbd_load_tls(DaemonNbd *nbd, const DaemonSettings *settings,
                        const DaemonOptions *options, DaemonNbdComplain complain, void *userdata) {
        TlsCheck check = {
                .settings = settings,
                .options = options,
                .complain = complain,
                .userdata = userdata,
        };

        check_pairs(&check);
        check_addresses(&check);
        open_tls_files(nbd, &check);
        return check.result;
}

bool daemon_nbd_is_tls_equal(const DaemonNbd *a, const DaemonNbd *b, ControlTlsFile file) {
        struct stat status_a, status_b;

        if (a->tls_fds[file] < 0 || b->tls_fds[file] < 0)
                return a->tls_fds[file] < 0 && b->tls_fds[file] < 0;
        if (fstat(a->tls_fds[file], &status_a) < 0 || fstat(b->tls_fds[file], &status_b) < 0)
                return false;
        return status_a.st_dev == status_b.st_dev && status_a.st_ino == status_b.st_ino;
}

/* Access */

static bool find_id(bool is_group, const char *name, uint32_t *ret) {
        const struct group *group = is_group ? getgrnam(name) : NULL;
        const struct passwd *user = is_group ? NULL : getpwnam(name);

        if (!group && !user)
                return false;
        *ret = group ? (uint32_t) group->gr_gid : (uint32_t) user->pw_uid;
        return true;
}

int daemon_nbd_load_access(DaemonNbd *nbd, const char *path, bool is_optional,
                           ConfigComplain complain, void *userdata) {
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        _cleanup_(freep) char *text = NULL;
        ssize_t size;

        if (fd < 0 && errno == ENOENT && is_optional)
                return 0;
        text = malloc(NBD_ACCESS_TEXT_SIZE_MAX);
        if (!text)
                return -ENOMEM;
        size = fd < 0 ? -errno : fd_read_all(fd, text, NBD_ACCESS_TEXT_SIZE_MAX);
        if (size == NBD_ACCESS_TEXT_SIZE_MAX)
                size = -EFBIG;
        if (size < 0) {
                complain(path, 0, strerror((int) -size), userdata);
                return -EINVAL;
        }
        return nbd_access_parse(&nbd->access, text, (size_t) size, path, find_id, complain,
                                userdata);
}
