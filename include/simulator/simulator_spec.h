#pragma once

/*
 * SimulatorSpec
 *
 * Describes a simulated device: plain data, parsed from the text of `--simulate`. The text is
 * `key=value,...` in any order; a flag may stand without its value. It goes from the manager to the
 * worker as it is, since parsing opens nothing.
 *
 *     file=PATH[+PATH...]      image files, one for each LUN from LUN 0 on; no ',' and '+' in a
 *                              path
 *     size=SIZE                of each LUN without an image file, in memory (1G; K, M, G, T)
 *     block-size=N             512, 1024, 2048, 4096 (512; optical: 2048)
 *     physical-block-size=N    a power of two from block-size to 64K (block-size)
 *     luns=N                   1 to 16 (as many as there are files, at least 1)
 *     empty=N[+N...]           LUNs whose medium is not in yet (none)
 *     type=disk|optical        optical: a drive for discs that are only read, with a tray (disk)
 *     disc=data|blank|audio|none   what lies in an optical drive (data)
 *     formatted=yes|no         no: a floppy or card that was never formatted (yes)
 *     capacity=true|raw|zero|ones|refused   what READ CAPACITY tells: the size, blocks as long as
 *                              raw sectors of a CD, nothing but zeroes or ones, or no answer (true)
 *     transport=bot|cbi|cb|uas|uas-only   CBI and CB have one LUN; UAS has BOT beside it, at
 *                              alternate setting 0 (bot)
 *     streams=N                UAS at super speed: 2 to 256, a power of two (32)
 *     queue-depth=N            UAS: commands that it takes at once, 1 to 256 (32)
 *     disorder-us=N            UAS: each command begins by chance up to so much later, so that
 *                              they overtake each other (0)
 *     command-set=scsi|8070|ufi   UFI's drives are removable, and know neither a write cache nor
 *                              unmapping; 8070 and UFI have command blocks of 12 bytes with CBI
 *                              and CB (scsi)
 *     speed=full|high|super    of the link (super)
 *     link=real|ideal          whether bytes take time: at the speed's payload rate, or none (real)
 *     latency-us=N             added to each transfer (0)
 *     vid=HEX, pid=HEX         1209, 0001
 *     serial=TEXT              up to 31 of [A-Za-z0-9._-] (SIM0)
 *     vendor=TEXT, model=TEXT  of INQUIRY, up to 8 and 16 printable characters (ORION,
 *                              SIMULATED DISK)
 *     removable, read-only     flags (no)
 *     write-cache=yes|no       a volatile write cache (yes)
 *     cache-size=SIZE          of that cache for each LUN, 64K to 1G (8M)
 *     reset-loses-cache=yes|no whether a port reset loses what is in it (yes)
 *     unmap=yes|no             thin provisioning: UNMAP, WRITE SAME with UNMAP (yes)
 *     scsi-version=N           what INQUIRY claims: 0 none, 2 SCSI-2, up to 7 (6: SPC-4)
 *     rotation=N               0: not reported, 1: not rotating (default), else the rate, per
 *                              minute
 *     spin-up-ms=N             after power-on and START STOP UNIT not ready for so long (0)
 *     stop-after-ms=N          a unit whose medium nobody has used for so long stops (0: never)
 *     stopped=refuse|start     what a command for a medium that stands still finds: 02/04/02, or that
 *                              it starts, which takes its time (refuse)
 *     suspend=yes|no           whether the host can suspend it (yes)
 *     short-data=stall|short|pad   how a data phase of BOT ends that is shorter than the host
 *                              said (stall)
 *     pipelining=yes|no        no: an IN before the CBW is done and an OUT before the CSW was
 *                              read are refused with a stall, as QEMU does (yes)
 *     smart, bridge ...        of the drive behind it: simulator_drive.h
 *     seed=N                   of every chance and every delay (1)
 *     faults=PLAN              what goes wrong: simulator_fault.h
 */

#include "simulator/simulator_drive.h"
#include "simulator/simulator_fault.h"
#include "usb/usb_device.h"

#define SIMULATOR_LUNS_MAX 16
#define SIMULATOR_QUEUE_DEPTH_MAX 256
#define SIMULATOR_PATH_SIZE_MAX 1024 /* with its NUL */
#define SIMULATOR_SIZE_MAX (UINT64_C(16) << 40)

typedef enum SimulatorShortData {
        SIMULATOR_SHORT_DATA_STALL, /* BOT 6.7.2, 6.7.3: the pipe stalls where the data ends */
        SIMULATOR_SHORT_DATA_SHORT, /* a short packet ends it; what is too much is thrown away */
        SIMULATOR_SHORT_DATA_PAD,   /* filled up with zeroes, told by the residue alone */
        _SIMULATOR_SHORT_DATA_MAX,
} SimulatorShortData;

typedef enum SimulatorTransport {
        SIMULATOR_TRANSPORT_BOT,
        SIMULATOR_TRANSPORT_CBI,
        SIMULATOR_TRANSPORT_CB,
        SIMULATOR_TRANSPORT_UAS, /* at alternate setting 1, with BOT at 0 */
        SIMULATOR_TRANSPORT_UAS_ONLY,
} SimulatorTransport;

/* The peripheral device type. */
typedef enum SimulatorType {
        SIMULATOR_TYPE_DISK,
        SIMULATOR_TYPE_OPTICAL,
} SimulatorType;

typedef enum SimulatorDisc {
        SIMULATOR_DISC_DATA,
        SIMULATOR_DISC_BLANK,
        SIMULATOR_DISC_AUDIO,
} SimulatorDisc;

/* What READ CAPACITY makes of the size. */
typedef enum SimulatorCapacity {
        SIMULATOR_CAPACITY_TRUE,
        SIMULATOR_CAPACITY_RAW,
        SIMULATOR_CAPACITY_ZERO,
        SIMULATOR_CAPACITY_ONES,
        SIMULATOR_CAPACITY_REFUSED,
} SimulatorCapacity;

/* What commands the device takes, and how its interface says so. */
typedef enum SimulatorCommandSet {
        SIMULATOR_COMMAND_SET_SCSI,
        SIMULATOR_COMMAND_SET_8070, /* SFF-8070i */
        SIMULATOR_COMMAND_SET_UFI,
} SimulatorCommandSet;

typedef struct SimulatorSpec {
        size_t n_files;
        char files[SIMULATOR_LUNS_MAX][SIMULATOR_PATH_SIZE_MAX];
        uint64_t size;
        uint32_t block_size;
        uint32_t physical_block_size;
        size_t n_luns;
        uint16_t empty_luns; /* a mask */
        SimulatorType type;
        SimulatorDisc disc;
        bool has_no_disc;
        bool is_formatted;
        SimulatorCapacity capacity;
        SimulatorTransport transport;
        SimulatorCommandSet command_set;
        uint32_t n_streams;
        uint32_t queue_depth;
        uint64_t disorder_us;
        UsbSpeed speed;
        bool is_link_ideal;
        uint64_t latency_us;
        uint16_t vendor_id;
        uint16_t product_id;
        char serial[32];
        char vendor[9];
        char model[17];
        bool is_removable;
        bool is_locked; /* somebody drove it before and left PREVENT in force */
        bool is_read_only;
        bool has_write_cache;
        uint64_t cache_size;
        bool loses_cache_on_reset;
        bool has_unmap;
        uint8_t scsi_version;
        uint16_t rotation_rate;
        uint64_t spin_up_ms;
        uint64_t stop_after_ms;
        bool starts_by_itself;
        bool can_suspend;
        SimulatorShortData short_data;
        bool bears_pipelining;
        SimulatorDrive drive;
        uint64_t seed;
        SimulatorFaultPlan faults;
} SimulatorSpec;

/* What an empty text means, but for what parsing derives (n_luns, block_size,
 * physical_block_size). */
void simulator_spec_init(SimulatorSpec *spec);
bool simulator_spec_has_uas(const SimulatorSpec *spec);
/*
 * -EINVAL, -E2BIG set `ret_error` to a sentence that names the key, the value and what is allowed,
 * to be freed; `spec` is not written then. -ENOMEM sets NULL.
 */
int simulator_spec_parse(SimulatorSpec *spec, const char *text, char **ret_error);
