/*
 * nbd_load: loads an NBD server over a unix socket and prints what it bore: requests and megabytes
 * a second, latencies, and the server's processor time for a request. One line of key=value pairs.
 */

#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/macros.h"
#include "benchmark/load_connection.h"

#define CONNECTIONS_MAX 64
#define REQUEST_SIZE_MAX (32 * MIB)
#define WAIT_LIMIT_NS (60 * NS_PER_S)
#define WAIT_INTERVAL_US 500

static LoadPlan arg_plan = { .export_name = "", .depth = 64, .size = 4096, .is_random = true };
static unsigned arg_n_connections = 1;
static double arg_seconds = 3;
static long arg_server_pid;
static bool arg_waits;

static int print_help(void) {
        puts("nbd_load --socket=PATH [OPTION]...\n"
             "\n"
             "  --export=NAME        the export, by default the empty name\n"
             "  --connections=N      at once (1)\n"
             "  --depth=N            requests in flight on each (64)\n"
             "  --size=BYTES         of a request (4096)\n"
             "  --span=BYTES         use only the first part of the export\n"
             "  --write              write; else read\n"
             "  --sequential         one after the other; else at random\n"
             "  --seconds=S          how long (3)\n"
             "  --server-pid=PID     also print the processor time of this process\n"
             "  --wait               only wait for the export, and print when it was there\n"
             "  --help               show this");
        return 0;
}

static uint64_t now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * NS_PER_S + (uint64_t) now.tv_nsec;
}

static uint64_t read_number(const char *path) {
        unsigned long long value = 0;
        FILE *file;

        file = fopen(path, "re");
        if (!file)
                return 0;
        if (fscanf(file, "%llu", &value) != 1)
                value = 0;
        fclose(file);
        return value;
}

/* The server's processor time so far, from its threads' scheduler statistics: those are exact where
 * /proc/PID/stat counts in ticks. */
static uint64_t read_server_time_ns(void) {
        char pattern[64];
        glob_t paths = { 0 };
        uint64_t sum_ns = 0;

        if (arg_server_pid == 0)
                return 0;
        snprintf(pattern, sizeof(pattern), "/proc/%ld/task/*/schedstat", arg_server_pid);
        if (glob(pattern, 0, NULL, &paths) == 0)
                for (size_t i = 0; i < paths.gl_pathc; i++)
                        sum_ns += read_number(paths.gl_pathv[i]);
        globfree(&paths);
        return sum_ns;
}

static int serve_connection(LoadConnection *connection, short *events, Histogram *latency,
                            bool is_ending) {
        int r;

        r = load_connection_receive(connection, now_ns(), latency);
        if (r < 0)
                return r;
        if (!is_ending)
                load_connection_fill(connection, now_ns());
        r = load_connection_send(connection);
        if (r < 0)
                return r;
        *events = r > 0 ? POLLIN | POLLOUT : POLLIN;
        return 0;
}

static unsigned count_in_flight(LoadConnection *const *connections) {
        unsigned n = 0;

        for (unsigned i = 0; i < arg_n_connections; i++)
                n += load_connection_get_n_in_flight(connections[i]);
        return n;
}

/* Keeps all connections busy until the time is up, then waits for the last replies. */
static int run_load(LoadConnection *const *connections, Histogram *latency) {
        struct pollfd fds[CONNECTIONS_MAX] = { 0 };
        uint64_t end_ns = now_ns() + (uint64_t) (arg_seconds * (double) NS_PER_S);
        bool is_ending = false;

        for (unsigned i = 0; i < arg_n_connections; i++) {
                fds[i].fd = load_connection_get_fd(connections[i]);
                fds[i].events = POLLIN | POLLOUT;
        }
        while (!is_ending || count_in_flight(connections) > 0) {
                int r = poll(fds, arg_n_connections, 10000);

                if (r < 0)
                        return -errno;
                if (r == 0)
                        return -ETIMEDOUT;
                is_ending = now_ns() >= end_ns;
                for (unsigned i = 0; i < arg_n_connections; i++) {
                        if (fds[i].revents == 0)
                                continue;
                        r = serve_connection(connections[i], &fds[i].events, latency, is_ending);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static void print_result(const Histogram *latency, uint64_t elapsed_ns, uint64_t server_ns) {
        double seconds = (double) elapsed_ns / (double) NS_PER_S;
        double iops = (double) latency->n_values / seconds;

        printf("iops=%.0f mb_per_s=%.1f p50_us=%.1f p99_us=%.1f", iops, iops * arg_plan.size / 1e6,
               (double) histogram_quantile(latency, 500) / 1e3,
               (double) histogram_quantile(latency, 990) / 1e3);
        if (arg_server_pid != 0 && latency->n_values > 0)
                printf(" server_us=%.2f", (double) server_ns / 1e3 / (double) latency->n_values);
        putchar('\n');
}

static int run(void) {
        LoadConnection *connections[CONNECTIONS_MAX] = { NULL };
        Histogram latency;
        uint64_t started_ns, server_ns;
        int r = 0;

        histogram_init(&latency);
        for (unsigned i = 0; i < arg_n_connections && r == 0; i++)
                r = load_connection_new(&connections[i], &arg_plan, i + 1);
        if (r == 0) {
                server_ns = read_server_time_ns();
                started_ns = now_ns();
                r = run_load(connections, &latency);
                if (r == 0)
                        print_result(&latency, now_ns() - started_ns,
                                     read_server_time_ns() - server_ns);
        }
        for (unsigned i = 0; i < arg_n_connections; i++)
                load_connection_free(connections[i]);
        return r;
}

/* Tries until it is there; the time is that of the kernel's log and of udevadm monitor. */
static int wait_for_export(void) {
        uint64_t started_ns = now_ns();
        int r;

        do {
                LoadConnection *connection;

                r = load_connection_new(&connection, &arg_plan, 1);
                if (r == 0) {
                        printf("ready_s=%.6f waited_ms=%.1f\n",
                               (double) now_ns() / (double) NS_PER_S,
                               (double) (now_ns() - started_ns) / (double) NS_PER_MS);
                        load_connection_free(connection);
                        return 0;
                }
                usleep(WAIT_INTERVAL_US);
        } while (now_ns() - started_ns < WAIT_LIMIT_NS);
        return r;
}

static int parse_options(int argc, char **argv) {
        static const struct option options[] = {
                { "socket", required_argument, NULL, 's' },
                { "export", required_argument, NULL, 'e' },
                { "connections", required_argument, NULL, 'c' },
                { "depth", required_argument, NULL, 'd' },
                { "size", required_argument, NULL, 'b' },
                { "span", required_argument, NULL, 'n' },
                { "write", no_argument, NULL, 'w' },
                { "sequential", no_argument, NULL, 'q' },
                { "seconds", required_argument, NULL, 't' },
                { "server-pid", required_argument, NULL, 'p' },
                { "wait", no_argument, NULL, 'a' },
                { "help", no_argument, NULL, 'h' },
                { NULL, 0, NULL, 0 },
        };
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (option) {
                case 's':
                        arg_plan.socket_path = optarg;
                        break;
                case 'e':
                        arg_plan.export_name = optarg;
                        break;
                case 'c':
                        arg_n_connections = (unsigned) strtoul(optarg, NULL, 0);
                        break;
                case 'd':
                        arg_plan.depth = (unsigned) strtoul(optarg, NULL, 0);
                        break;
                case 'b':
                        arg_plan.size = (uint32_t) strtoul(optarg, NULL, 0);
                        break;
                case 'n':
                        arg_plan.span = strtoull(optarg, NULL, 0);
                        break;
                case 'w':
                        arg_plan.is_write = true;
                        break;
                case 'q':
                        arg_plan.is_random = false;
                        break;
                case 't':
                        arg_seconds = strtod(optarg, NULL);
                        break;
                case 'p':
                        arg_server_pid = strtol(optarg, NULL, 0);
                        break;
                case 'a':
                        arg_waits = true;
                        break;
                case 'h':
                        exit(print_help());
                default:
                        return -EINVAL;
                }

        if (!arg_plan.socket_path || arg_n_connections == 0 ||
            arg_n_connections > CONNECTIONS_MAX || arg_plan.depth == 0 ||
            arg_plan.depth > LOAD_DEPTH_MAX || arg_plan.size == 0 ||
            arg_plan.size > REQUEST_SIZE_MAX || arg_seconds <= 0) {
                fputs("nbd_load: --socket is missing, or a number is out of range\n", stderr);
                return -EINVAL;
        }
        return 0;
}

int main(int argc, char **argv) {
        int r;

        r = parse_options(argc, argv);
        if (r < 0)
                return 2;
        r = arg_waits ? wait_for_export() : run();
        if (r < 0) {
                fprintf(stderr, "nbd_load: %s\n", strerror(-r));
                return 1;
        }
        return 0;
}
