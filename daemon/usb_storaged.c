/*
 * usb-storaged, the manager: command line, sockets, signals and systemd around a DeviceManager.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/systemd_event_loop.h"
#include "daemon_config.h"
#include "daemon_listeners.h"
#include "daemon_options.h"
#include "daemon_reload.h"
#include "daemon_simulation.h"
#include "daemon_status.h"
#include "dbus/bus_service.h"
#include "device/device_manager.h"

#define PATH_SIZE_MAX 4096

typedef struct Daemon {
        DaemonOptions options;
        DaemonConfig *config;   /* owned: what is in force */
        EventLoop *loop;        /* owned */
        DeviceManager *manager; /* owned */
        BusService *bus;        /* owned; NULL: served on none */
        EventFd signal_watch;
        int signal_fd;      /* owned */
        int lock_fd;        /* owned */
        size_t n_listening; /* of options.listen_addresses, from the first on */
        DaemonStatus status;
        char worker_path[PATH_SIZE_MAX];
        char front_path[PATH_SIZE_MAX];
        char default_address[PATH_SIZE_MAX];
        char **configured_addresses; /* owned: the configuration may be read again */
} Daemon;

static void on_stopped(DeviceManager *manager, void *userdata) {
        Daemon *daemon = userdata;

        log_info("Stopped, everything was given back");
        event_loop_exit(daemon->loop, 0);
}

static void daemon_remove_sockets(Daemon *daemon) {
        while (daemon->n_listening > 0)
                daemon_listeners_remove(daemon->options.listen_addresses[--daemon->n_listening]);
}

static bool daemon_is_stopping(const Daemon *daemon) {
        return device_manager_get_counts(daemon->manager).is_stopping;
}

static void daemon_stop(Daemon *daemon, const char *why) {
        if (daemon_is_stopping(daemon)) {
                log_warning("%s again, leaving without waiting", why);
                event_loop_exit(daemon->loop, 1);
                return;
        }
        log_info("%s, flushing and giving devices back", why);
        daemon_remove_sockets(daemon);
        device_manager_stop(daemon->manager);
        daemon_status_stopping(&daemon->status);
}

/* A reload, and who wants to know what came of it. */
typedef struct Reload {
        BusKeyPending pending; /* NULL: nobody */
        void *pending_userdata;
        char *mistake; /* of BUS_SERVICE_MISTAKE_SIZE: the first one; NULL: nobody wants it */
} Reload;

static void on_mistake(const char *file, unsigned line, const char *text, void *userdata) {
        char mistake[BUS_SERVICE_MISTAKE_SIZE];
        Reload *reload = userdata;

        if (line > 0)
                snprintf(mistake, sizeof(mistake), "%s:%u: %s", file, line, text);
        else
                snprintf(mistake, sizeof(mistake), "%s: %s", file, text);
        log_error("%s", mistake);
        if (reload->mistake && reload->mistake[0] == '\0')
                memcpy(reload->mistake, mistake, sizeof(mistake));
}

static void on_pending(const ConfigOption *option, void *userdata) {
        Reload *reload = userdata;

        if (reload->pending)
                reload->pending(option->key, reload->pending_userdata);
}

static int daemon_read_again(Daemon *daemon, Reload *reload, const char *why) {
        int r;

        if (daemon_is_stopping(daemon))
                return -ESHUTDOWN;
        daemon_status_reloading(&daemon->status);
        log_notice("%s: the configuration is read again", why);
        r = daemon_reload(&daemon->config, &daemon->options, daemon->manager, on_mistake,
                          on_pending, reload);
        if (r < 0)
                log_error("The configuration stays as it was: %s",
                          r == -EINVAL ? "there are mistakes in the new one" : strerror(-r));
        daemon_status_reloaded(&daemon->status);
        bus_service_update(daemon->bus);
        return r;
}

static void on_signal(EventFd *watch, uint32_t events) {
        Daemon *daemon = container_of(watch, Daemon, signal_watch);
        struct signalfd_siginfo info;

        if (read(watch->fd, &info, sizeof(info)) != sizeof(info))
                return;
        if (info.ssi_signo == SIGHUP)
                (void) daemon_read_again(daemon, &(Reload){}, "SIGHUP");
        else
                daemon_stop(daemon, info.ssi_signo == SIGINT ? "Interrupted" : "Terminated");
}

static int daemon_watch_signals(Daemon *daemon) {
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;
        signal(SIGPIPE, SIG_IGN);

        daemon->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        if (daemon->signal_fd < 0)
                return -errno;
        return event_fd_add(&daemon->signal_watch, daemon->loop, daemon->signal_fd, EPOLLIN,
                            on_signal);
}

/* One service in a runtime folder: two would fight for the devices and the socket. */
static int daemon_make_folders(Daemon *daemon) {
        char path[PATH_SIZE_MAX];

        if (mkdir(daemon->options.runtime_dir, 0755) < 0 && errno != EEXIST) {
                log_error("%s: %s", daemon->options.runtime_dir, strerror(errno));
                return -errno;
        }
        if (mkdir(daemon->options.state_dir, 0700) < 0 && errno != EEXIST) {
                log_error("%s: %s", daemon->options.state_dir, strerror(errno));
                return -errno;
        }

        snprintf(path, sizeof(path), "%s/lock", daemon->options.runtime_dir);
        daemon->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (daemon->lock_fd < 0) {
                log_error("%s: %s", path, strerror(errno));
                return -errno;
        }
        if (flock(daemon->lock_fd, LOCK_EX | LOCK_NB) < 0) {
                log_error("%s is locked: another usb-storaged runs there",
                          daemon->options.runtime_dir);
                return -errno;
        }
        return 0;
}

/* In a build folder the programs lie beside each other, installed ones in libexec. */
static void find_program(char *ret, const char *name) {
        char self[PATH_SIZE_MAX / 2];
        ssize_t size;
        char *slash;

        size = readlink("/proc/self/exe", self, sizeof(self) - 1);
        self[MAX(size, 0)] = '\0';
        slash = strrchr(self, '/');
        if (slash) {
                *slash = '\0';
                snprintf(ret, PATH_SIZE_MAX, "%s/%s", self, name);
                if (access(ret, X_OK) == 0)
                        return;
        }
        snprintf(ret, PATH_SIZE_MAX, "%s/%s", LIBEXEC_DIR, name);
}

/* Those of the command line take the place of those of the configuration. */
static int daemon_add_configured_addresses(Daemon *daemon, char **addresses) {
        DaemonOptions *options = &daemon->options;
        size_t n = 0;

        if (options->n_listen_addresses > 0 || !addresses)
                return 0;
        while (addresses[n])
                n++;
        if (n > N_ELEMENTS(options->listen_addresses)) {
                log_error("listen: at most %zu addresses are allowed",
                          N_ELEMENTS(options->listen_addresses));
                return -ENOSPC;
        }
        daemon->configured_addresses = calloc(n + 1, sizeof(char *));
        if (!daemon->configured_addresses)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                daemon->configured_addresses[i] = strdup(addresses[i]);
                if (!daemon->configured_addresses[i])
                        return -ENOMEM;
                options->listen_addresses[i] = daemon->configured_addresses[i];
        }
        options->n_listen_addresses = n;
        return 0;
}

static int daemon_listen(Daemon *daemon) {
        const DaemonSettings *settings = daemon_config_get_settings(daemon->config);
        DaemonOptions *options = &daemon->options;
        int n_passed, r;

        n_passed = daemon_listeners_take_passed(daemon->manager, settings);
        if (n_passed < 0)
                return n_passed;
        r = daemon_add_configured_addresses(daemon, settings->listen);
        if (r < 0)
                return r;
        if (n_passed == 0 && options->n_listen_addresses == 0) {
                snprintf(daemon->default_address, sizeof(daemon->default_address),
                         "unix:%s/nbd.sock", options->runtime_dir);
                options->listen_addresses[options->n_listen_addresses++] = daemon->default_address;
        }
        for (size_t i = 0; i < options->n_listen_addresses; i++) {
                r = daemon_listeners_open(daemon->manager, options->listen_addresses[i], settings);
                if (r < 0)
                        return r;
                daemon->n_listening++;
        }
        return 0;
}

static int daemon_start_devices(Daemon *daemon) {
        DeviceManagerOptions options = {
                .worker_path = daemon->worker_path,
                .front_path = daemon->front_path,
                .state_dir = daemon->options.state_dir,
                .has_usb = daemon->options.has_usb,
        };
        char taken_dir[PATH_SIZE_MAX];
        int r;

        find_program(daemon->worker_path, "usb-storage-worker");
        find_program(daemon->front_path, "usb-storage-front");
        daemon_config_fill(daemon->config, &options);
        snprintf(taken_dir, sizeof(taken_dir), "%s/taken", daemon->options.runtime_dir);
        options.taken_dir = taken_dir;
        /* systemd keeps arenas over a restart, and drops that folder at a stop that is none. */
        if (getenv("NOTIFY_SOCKET"))
                options.keeps_taken = true;
        else
                options.runtime_dir = daemon->options.runtime_dir;

        r = device_manager_new(&daemon->manager, daemon->loop, &options, on_stopped, daemon);
        if (r < 0)
                return r;
        r = daemon_listen(daemon);
        if (r < 0)
                return r;
        /* Before the start, which takes disks from the kernel: no mistake may be found after it. */
        for (size_t i = 0; i < daemon->options.n_simulations; i++) {
                r = daemon_simulation_add(daemon->manager, daemon->options.simulations[i]);
                if (r < 0)
                        return r;
        }
        return device_manager_start(daemon->manager);
}

/* The bus */

typedef struct Listing {
        BusSettingFound found;
        void *userdata;
} Listing;

static void on_setting(const ConfigOption *option, const char *value, const char *origin,
                       void *userdata) {
        const BusSetting setting = { option->section, option->key, value, origin };
        Listing *listing = userdata;

        listing->found(&setting, listing->userdata);
}

static int on_bus_list(BusSettingFound found, void *found_userdata, void *userdata) {
        Listing listing = { .found = found, .userdata = found_userdata };
        Daemon *daemon = userdata;

        return daemon_config_list(daemon->config, on_setting, &listing);
}

static int on_bus_reload(BusKeyPending pending, void *pending_userdata, char *mistake,
                         void *userdata) {
        Reload reload = {
                .pending = pending,
                .pending_userdata = pending_userdata,
                .mistake = mistake,
        };

        return daemon_read_again(userdata, &reload, "Asked for on the bus");
}

static bool on_bus_is_monitored(void *userdata) {
        Daemon *daemon = userdata;

        return daemon_config_is_monitored(daemon->config);
}

/* It is no part of what is needed to serve: a bus that can't be reached is tried again. */
static int daemon_start_bus(Daemon *daemon) {
        static const BusConfigurationHandlers configuration = {
                .list = on_bus_list,
                .reload = on_bus_reload,
                .is_monitored = on_bus_is_monitored,
        };
        const BusServiceOptions options = {
                .address = daemon->options.bus,
                .version = PROJECT_VERSION,
                .listen_addresses = daemon->options.listen_addresses,
                .n_listen_addresses = daemon->options.n_listen_addresses,
                .configuration = &configuration,
                .userdata = daemon,
        };

        if (strcmp(daemon->options.bus, "none") == 0)
                return 0;
        return bus_service_new(&daemon->bus, daemon->loop, daemon->manager, &options);
}

static int daemon_start(Daemon *daemon) {
        int r;

        r = daemon_make_folders(daemon);
        if (r < 0)
                return r;
        r = systemd_event_loop_new(&daemon->loop);
        if (r < 0)
                return r;
        r = daemon_watch_signals(daemon);
        if (r < 0)
                return r;
        r = daemon_start_devices(daemon);
        if (r < 0)
                return r;
        r = daemon_start_bus(daemon);
        if (r < 0)
                return r;
        return daemon_status_init(&daemon->status, daemon->loop, daemon->manager);
}

static void daemon_done(Daemon *daemon) {
        daemon_remove_sockets(daemon);
        daemon_status_done(&daemon->status);
        daemon->bus = bus_service_free(daemon->bus);
        daemon->manager = device_manager_free(daemon->manager);
        event_fd_remove(&daemon->signal_watch);
        daemon_config_free(daemon->config);
        config_option_strings_free(daemon->configured_addresses);
        fd_close(daemon->signal_fd);
        fd_close(daemon->lock_fd);
        event_loop_free(daemon->loop);
}

static void complain(const char *file, unsigned line, const char *text, void *userdata) {
        if (line > 0)
                fprintf(stderr, "%s:%u: %s\n", file, line, text);
        else
                fprintf(stderr, "%s: %s\n", file, text);
}

static int daemon_serve(Daemon *daemon) {
        int r;

        log_set_level(daemon_config_get_log_level(daemon->config));
        /* Descriptors of images and sockets add up; the children set limits of their own. */
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){ .rlim_cur = 4096, .rlim_max = 4096 });
        r = daemon_start(daemon);
        if (r == 0)
                r = event_loop_run(daemon->loop);
        else {
                log_error("Can't start: %s", strerror(-r));
                daemon_status_failed(r);
        }
        return r;
}

/* Of a configuration that has been loaded, which is all there is to its test. */
static int daemon_carry_out(Daemon *daemon) {
        switch (daemon->options.task) {
        case DAEMON_OPTIONS_TASK_SERVE:
                return daemon_serve(daemon);
        case DAEMON_OPTIONS_TASK_TEST_CONFIG:
                return puts("The configuration is good.") == EOF ? -EIO : 0;
        case DAEMON_OPTIONS_TASK_DUMP_CONFIG:
                return daemon_config_write(daemon->config, stdout);
        }

        assert_not_reached();
}

int main(int argc, char **argv) {
        static Daemon daemon = { .signal_fd = -EBADF, .lock_fd = -EBADF };
        int r;

        r = daemon_options_parse(&daemon.options, argc, argv);
        if (r != 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        r = daemon_config_load(&daemon.config, &daemon.options, complain, NULL);
        if (r < 0)
                return EXIT_FAILURE;
        r = daemon_carry_out(&daemon);
        daemon_done(&daemon);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
