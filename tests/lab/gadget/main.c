/*
 * usb-storage-gadget: a disk on FunctionFS that misbehaves as its options say. Whoever starts it has
 * mounted the FunctionFS, and binds the gadget to a controller once "ready" is on standard output.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/usb/functionfs.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol.h"

#define SUBCLASS_UFI 0x04
#define SUBCLASS_SCSI 0x06

typedef struct Options {
        const char *folder;
        const char *image;
        bool is_cbi;
        DiskOptions disk;
} Options;

static const char usage[] =
                "usb-storage-gadget [OPTION]... FUNCTIONFS-FOLDER IMAGE\n"
                "\n"
                "  --protocol=bot|cbi|ufi  Bulk-Only; CBI with SCSI commands; CBI with UFI's\n"
                "  --fault=FAULT           see fault.h; may be repeated\n"
                "  --connection=FILE       the controller's soft_connect, for the fault "
                "disconnect\n"
                "  --max-lun=N             what GET MAX LUN answers (0)\n"
                "  --alias-luns            all LUNs are LUN 0\n"
                "  --last-lba-10=N         what READ CAPACITY(10) tells\n"
                "  --last-lba-16=N         what READ CAPACITY(16) tells\n"
                "  --block-size=N          what both tell\n"
                "  --garbage               strings and pages are noise\n"
                "  --changing-identity     another product after each reset\n";

/* Signals break off short sleeps alone. */
void gadget_sleep(uint64_t ms) {
        for (uint64_t i = 0; i < ms; i++)
                usleep(1000);
}

/*
 * By another process: what goes on in the controller meanwhile waits for ours. The controller's own
 * soft_connect can't be used, as dummy_hcd answers nothing any more once it is connected again.
 */
void gadget_disconnect(Gadget *gadget, uint64_t ms) {
        char script[512], shell[] = "sh", option[] = "-c";
        char *arguments[] = { shell, option, script, NULL };
        pid_t pid;

        snprintf(script, sizeof(script),
                 "udc=$(cat %1$s); echo > %1$s; [ %2$u = 0 ] || { sleep %2$u; echo $udc > %1$s; }",
                 gadget->connection, (unsigned) (ms / 1000));
        if (posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ) != 0)
                printf("disconnect: no shell\n");
        function_await_reset(&gadget->function);
}

/* A transfer in the wrong direction is a stall here as well. */
static void stall(int fd, const ControlRequest *request) {
        uint8_t byte = 0;

        if (request->type & USB_DIR_IN)
                (void) !read(fd, &byte, sizeof(byte));
        else
                (void) !write(fd, &byte, sizeof(byte));
}

static void serve_request(Gadget *gadget, bool is_cbi, const ControlRequest *request) {
        ControlAnswer answer = is_cbi ? cbi_control(gadget, request) : bot_control(gadget, request);

        switch (answer) {
        case CONTROL_ANSWER_DONE:
                return;
        case CONTROL_ANSWER_STALL:
                stall(gadget->function.control_fd, request);
                return;
        }
}

/* A port reset is seen as the end and the beginning of the configuration. Of two events that were
 * not read in time the kernel keeps the later. */
static void note_configured(Gadget *gadget, bool is_configured) {
        if (!is_configured || gadget->is_configured)
                function_reset(&gadget->function);
        gadget->is_configured = is_configured;
        if (is_configured) {
                printf("configured\n");
                gadget->disk.n_resets++;
        }
}

/* Endpoint 0, for ever. */
static int serve(Gadget *gadget, bool is_cbi) {
        for (;;) {
                struct usb_functionfs_event event;
                ssize_t size = read(gadget->function.control_fd, &event, sizeof(event));

                /* A request that was given up by the host, and a stall: both are behind us. */
                if (size < 0 && (errno == EINTR || errno == EIDRM || errno == EL2HLT))
                        continue;
                if (size != sizeof(event))
                        return -1;

                switch (event.type) {
                case FUNCTIONFS_ENABLE:
                        note_configured(gadget, true);
                        break;
                case FUNCTIONFS_DISABLE:
                        note_configured(gadget, false);
                        break;
                case FUNCTIONFS_SETUP:
                        serve_request(gadget, is_cbi,
                                      &(ControlRequest){ .type = event.u.setup.bRequestType,
                                                         .request = event.u.setup.bRequest,
                                                         .value = event.u.setup.wValue,
                                                         .size = event.u.setup.wLength });
                        break;
                default: /* binding and suspending change nothing here */
                        break;
                }
        }
}

static bool parse_protocol(Options *options, const char *text) {
        options->is_cbi = strcmp(text, "bot") != 0;
        options->disk.is_ufi = strcmp(text, "ufi") == 0;
        return !options->is_cbi || options->disk.is_ufi || strcmp(text, "cbi") == 0;
}

static bool parse_option(Gadget *gadget, Options *options, int option) {
        DiskOptions *disk = &options->disk;

        switch (option) {
        case 'p':
                return parse_protocol(options, optarg);
        case 'f':
                return fault_plan_add(&gadget->plan, optarg);
        case 'c':
                gadget->connection = optarg;
                return true;
        case 'm':
                gadget->max_lun = (uint8_t) strtoul(optarg, NULL, 0);
                return true;
        case 'a':
                disk->aliases_luns = true;
                return true;
        case '1':
                disk->has_last_lba_10 = true;
                disk->last_lba_10 = (uint32_t) strtoul(optarg, NULL, 0);
                return true;
        case '2':
                disk->has_last_lba_16 = true;
                disk->last_lba_16 = strtoull(optarg, NULL, 0);
                return true;
        case 'b':
                disk->has_block_size = true;
                disk->block_size = (uint32_t) strtoul(optarg, NULL, 0);
                return true;
        case 'g':
                disk->has_garbage = true;
                return true;
        case 'i':
                disk->changes_identity = true;
                return true;
        default:
                return false;
        }
}

static bool parse_options(Gadget *gadget, Options *options, int argc, char **argv) {
        static const struct option known[] = {
                { "protocol", required_argument, NULL, 'p' },
                { "fault", required_argument, NULL, 'f' },
                { "connection", required_argument, NULL, 'c' },
                { "max-lun", required_argument, NULL, 'm' },
                { "alias-luns", no_argument, NULL, 'a' },
                { "last-lba-10", required_argument, NULL, '1' },
                { "last-lba-16", required_argument, NULL, '2' },
                { "block-size", required_argument, NULL, 'b' },
                { "garbage", no_argument, NULL, 'g' },
                { "changing-identity", no_argument, NULL, 'i' },
                { 0 },
        };
        int option;

        while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0)
                if (!parse_option(gadget, options, option))
                        return false;
        if (argc - optind != 2)
                return false;
        options->folder = argv[optind];
        options->image = argv[optind + 1];
        return true;
}

int main(int argc, char **argv) {
        static Gadget gadget; /* too large for a stack */
        Options options = { 0 };

        setvbuf(stdout, NULL, _IOLBF, 0);
        signal(SIGCHLD, SIG_IGN);
        if (!parse_options(&gadget, &options, argc, argv)) {
                fputs(usage, stderr);
                return 2;
        }
        if (!disk_init(&gadget.disk, options.image, &options.disk, &gadget.plan)) {
                perror(options.image);
                return 1;
        }
        if (!function_open(&gadget.function, options.folder,
                           options.disk.is_ufi ? SUBCLASS_UFI : SUBCLASS_SCSI,
                           options.is_cbi ? FUNCTION_INTERFACE_CBI : FUNCTION_INTERFACE_BOT)) {
                perror(options.folder);
                return 1;
        }
        if (pthread_create(&gadget.function.worker, NULL, options.is_cbi ? cbi_run : bot_run,
                           &gadget) != 0) {
                fputs("The worker can't be started\n", stderr);
                return 1;
        }
        printf("ready\n");
        if (serve(&gadget, options.is_cbi) < 0)
                perror("endpoint 0");
        return 1;
}
