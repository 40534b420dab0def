/*
 * Reads the text of `--simulate`. One table says which keys there are, what each allows in words,
 * and which function takes it, so that a message can never disagree with the parser.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "simulator/simulator_drive_keys.h"
#include "simulator/simulator_spec.h"
#include "simulator/simulator_text.h"

/* Takes the value, or returns false. */
typedef bool (*TakeValue)(SimulatorSpec *spec, SimulatorText value);

typedef struct SpecKey {
        const char *name;
        const char *allowed;
        TakeValue take;
} SpecKey;

static bool take_bool(SimulatorText value, bool *ret) {
        if (!simulator_text_equals(value, "yes") && !simulator_text_equals(value, "no"))
                return false;
        *ret = simulator_text_equals(value, "yes");
        return true;
}

/* `is_allowed` judges each character. */
static bool take_string(SimulatorText value, bool (*is_allowed)(char), char *ret, size_t size) {
        if (value.size == 0 || value.size >= size)
                return false;
        for (size_t i = 0; i < value.size; i++)
                if (!is_allowed(value.start[i]))
                        return false;

        memcpy(ret, value.start, value.size);
        ret[value.size] = 0;
        return true;
}

static bool is_printable(char character) { return character >= 0x20 && character < 0x7F; }

static bool is_not_nul(char character) { return character != 0; }

static bool is_serial_character(char character) {
        return (character >= '0' && character <= '9') || (character >= 'A' && character <= 'Z') ||
               (character >= 'a' && character <= 'z') || character == '.' || character == '_' ||
               character == '-';
}

static bool take_file(SimulatorSpec *spec, SimulatorText value) {
        SimulatorText path;

        while (simulator_text_next(&value, '+', &path)) {
                if (spec->n_files == SIMULATOR_LUNS_MAX)
                        return false;
                if (!take_string(path, is_not_nul, spec->files[spec->n_files],
                                 SIMULATOR_PATH_SIZE_MAX))
                        return false;
                spec->n_files++;
        }
        return true;
}

static bool take_size(SimulatorSpec *spec, SimulatorText value) {
        return simulator_text_to_size(value, 4096, SIMULATOR_SIZE_MAX, &spec->size);
}

static bool take_power_of_two(SimulatorText value, uint64_t min, uint64_t max, uint32_t *ret) {
        uint64_t number;

        if (!simulator_text_to_size(value, min, max, &number) || !is_power_of_two(number))
                return false;
        *ret = (uint32_t) number;
        return true;
}

static bool take_block_size(SimulatorSpec *spec, SimulatorText value) {
        return take_power_of_two(value, 512, 4096, &spec->block_size);
}

static bool take_physical_block_size(SimulatorSpec *spec, SimulatorText value) {
        return take_power_of_two(value, 512, 64 * KIB, &spec->physical_block_size);
}

static bool take_luns(SimulatorSpec *spec, SimulatorText value) {
        uint64_t number;

        if (!simulator_text_to_number(value, 10, 1, SIMULATOR_LUNS_MAX, &number))
                return false;
        spec->n_luns = number;
        return true;
}

static bool take_empty(SimulatorSpec *spec, SimulatorText value) {
        SimulatorText lun;
        uint64_t number;

        while (simulator_text_next(&value, '+', &lun)) {
                if (!simulator_text_to_number(lun, 10, 0, SIMULATOR_LUNS_MAX - 1, &number))
                        return false;
                spec->empty_luns |= (uint16_t) (1U << number);
        }
        return true;
}

static bool take_type(SimulatorSpec *spec, SimulatorText value) {
        if (simulator_text_equals(value, "disk"))
                spec->type = SIMULATOR_TYPE_DISK;
        else if (simulator_text_equals(value, "optical"))
                spec->type = SIMULATOR_TYPE_OPTICAL;
        else
                return false;
        return true;
}

static bool take_disc(SimulatorSpec *spec, SimulatorText value) {
        spec->has_no_disc = simulator_text_equals(value, "none");
        if (spec->has_no_disc || simulator_text_equals(value, "data"))
                spec->disc = SIMULATOR_DISC_DATA;
        else if (simulator_text_equals(value, "blank"))
                spec->disc = SIMULATOR_DISC_BLANK;
        else if (simulator_text_equals(value, "audio"))
                spec->disc = SIMULATOR_DISC_AUDIO;
        else
                return false;
        return true;
}

static bool take_formatted(SimulatorSpec *spec, SimulatorText value) {
        return take_bool(value, &spec->is_formatted);
}

static bool take_capacity(SimulatorSpec *spec, SimulatorText value) {
        if (simulator_text_equals(value, "true"))
                spec->capacity = SIMULATOR_CAPACITY_TRUE;
        else if (simulator_text_equals(value, "raw"))
                spec->capacity = SIMULATOR_CAPACITY_RAW;
        else if (simulator_text_equals(value, "zero"))
                spec->capacity = SIMULATOR_CAPACITY_ZERO;
        else if (simulator_text_equals(value, "ones"))
                spec->capacity = SIMULATOR_CAPACITY_ONES;
        else if (simulator_text_equals(value, "refused"))
                spec->capacity = SIMULATOR_CAPACITY_REFUSED;
        else
                return false;
        return true;
}

static bool take_transport(SimulatorSpec *spec, SimulatorText value) {
        if (simulator_text_equals(value, "bot"))
                spec->transport = SIMULATOR_TRANSPORT_BOT;
        else if (simulator_text_equals(value, "cbi"))
                spec->transport = SIMULATOR_TRANSPORT_CBI;
        else if (simulator_text_equals(value, "cb"))
                spec->transport = SIMULATOR_TRANSPORT_CB;
        else if (simulator_text_equals(value, "uas"))
                spec->transport = SIMULATOR_TRANSPORT_UAS;
        else if (simulator_text_equals(value, "uas-only"))
                spec->transport = SIMULATOR_TRANSPORT_UAS_ONLY;
        else
                return false;
        return true;
}

static bool take_streams(SimulatorSpec *spec, SimulatorText value) {
        return take_power_of_two(value, 2, SIMULATOR_QUEUE_DEPTH_MAX, &spec->n_streams);
}

static bool take_queue_depth(SimulatorSpec *spec, SimulatorText value) {
        uint64_t number;

        if (!simulator_text_to_number(value, 10, 1, SIMULATOR_QUEUE_DEPTH_MAX, &number))
                return false;
        spec->queue_depth = (uint32_t) number;
        return true;
}

static bool take_disorder(SimulatorSpec *spec, SimulatorText value) {
        return simulator_text_to_number(value, 10, 0, 60000000, &spec->disorder_us);
}

static bool take_command_set(SimulatorSpec *spec, SimulatorText value) {
        if (simulator_text_equals(value, "scsi"))
                spec->command_set = SIMULATOR_COMMAND_SET_SCSI;
        else if (simulator_text_equals(value, "8070"))
                spec->command_set = SIMULATOR_COMMAND_SET_8070;
        else if (simulator_text_equals(value, "ufi"))
                spec->command_set = SIMULATOR_COMMAND_SET_UFI;
        else
                return false;
        return true;
}

static bool take_speed(SimulatorSpec *spec, SimulatorText value) {
        if (simulator_text_equals(value, "full"))
                spec->speed = USB_SPEED_FULL;
        else if (simulator_text_equals(value, "high"))
                spec->speed = USB_SPEED_HIGH;
        else if (simulator_text_equals(value, "super"))
                spec->speed = USB_SPEED_SUPER;
        else
                return false;
        return true;
}

static bool take_link(SimulatorSpec *spec, SimulatorText value) {
        spec->is_link_ideal = simulator_text_equals(value, "ideal");
        return spec->is_link_ideal || simulator_text_equals(value, "real");
}

static bool take_latency(SimulatorSpec *spec, SimulatorText value) {
        return simulator_text_to_number(value, 10, 0, 60000000, &spec->latency_us);
}

static bool take_identifier(SimulatorText value, uint16_t *ret) {
        uint64_t number;

        if (!simulator_text_to_number(value, 16, 0, UINT16_MAX, &number))
                return false;
        *ret = (uint16_t) number;
        return true;
}

static bool take_vid(SimulatorSpec *spec, SimulatorText value) {
        return take_identifier(value, &spec->vendor_id);
}

static bool take_pid(SimulatorSpec *spec, SimulatorText value) {
        return take_identifier(value, &spec->product_id);
}

static bool take_serial(SimulatorSpec *spec, SimulatorText value) {
        return take_string(value, is_serial_character, spec->serial, sizeof(spec->serial));
}

static bool take_vendor(SimulatorSpec *spec, SimulatorText value) {
        return take_string(value, is_printable, spec->vendor, sizeof(spec->vendor));
}

static bool take_model(SimulatorSpec *spec, SimulatorText value) {
        return take_string(value, is_printable, spec->model, sizeof(spec->model));
}

static bool take_removable(SimulatorSpec *spec, SimulatorText value) {
        return take_bool(value, &spec->is_removable);
}

static bool take_locked(SimulatorSpec *spec, SimulatorText value) {
        return take_bool(value, &spec->is_locked);
}

static bool take_read_only(SimulatorSpec *spec, SimulatorText value) {
        return take_bool(value, &spec->is_read_only);
}

static bool take_write_cache(SimulatorSpec *spec, SimulatorText value) {
        return take_bool(value, &spec->has_write_cache);
}

static bool take_cache_size(SimulatorSpec *spec, SimulatorText value) {
        return simulator_text_to_size(value, 64 * KIB, GIB, &spec->cache_size);
}

static bool take_reset_loses_cache(SimulatorSpec *spec, SimulatorText value) {
        return take_bool(value, &spec->loses_cache_on_reset);
}

static bool take_unmap(SimulatorSpec *spec, SimulatorText value) {
        return take_bool(value, &spec->has_unmap);
}

static bool take_scsi_version(SimulatorSpec *spec, SimulatorText value) {
        uint64_t number;

        if (!simulator_text_to_number(value, 10, 0, 7, &number))
                return false;
        spec->scsi_version = (uint8_t) number;
        return true;
}

static bool take_rotation(SimulatorSpec *spec, SimulatorText value) {
        uint64_t number;

        if (!simulator_text_to_number(value, 10, 0, 0xFFFE, &number))
                return false;
        spec->rotation_rate = (uint16_t) number;
        return true;
}

static bool take_spin_up(SimulatorSpec *spec, SimulatorText value) {
        return simulator_text_to_number(value, 10, 0, UINT32_MAX, &spec->spin_up_ms);
}

static bool take_stop_after(SimulatorSpec *spec, SimulatorText value) {
        return simulator_text_to_number(value, 10, 0, UINT32_MAX, &spec->stop_after_ms);
}

static bool take_stopped(SimulatorSpec *spec, SimulatorText value) {
        spec->starts_by_itself = simulator_text_equals(value, "start");
        return spec->starts_by_itself || simulator_text_equals(value, "refuse");
}

static bool take_suspend(SimulatorSpec *spec, SimulatorText value) {
        return take_bool(value, &spec->can_suspend);
}

static bool take_short_data(SimulatorSpec *spec, SimulatorText value) {
        if (simulator_text_equals(value, "stall"))
                spec->short_data = SIMULATOR_SHORT_DATA_STALL;
        else if (simulator_text_equals(value, "short"))
                spec->short_data = SIMULATOR_SHORT_DATA_SHORT;
        else if (simulator_text_equals(value, "pad"))
                spec->short_data = SIMULATOR_SHORT_DATA_PAD;
        else
                return false;
        return true;
}

static bool take_pipelining(SimulatorSpec *spec, SimulatorText value) {
        return take_bool(value, &spec->bears_pipelining);
}

static bool take_seed(SimulatorSpec *spec, SimulatorText value) {
        return simulator_text_to_number(value, 10, 0, UINT64_MAX, &spec->seed);
}

static const SpecKey spec_keys[] = {
        { "file", "PATH or PATH+PATH..., at most 16 of up to 1023 bytes", take_file },
        { "size", "a size from 4K to 16T (K, M, G, T)", take_size },
        { "block-size", "512, 1024, 2048, 4096", take_block_size },
        { "physical-block-size", "a power of two from 512 to 64K, not below block-size",
          take_physical_block_size },
        { "luns", "1 to 16, not below the number of files", take_luns },
        { "empty", "N or N+N..., each 0 to 15", take_empty },
        { "type", "disk, optical", take_type },
        { "disc", "data, blank, audio, none", take_disc },
        { "formatted", "yes, no", take_formatted },
        { "capacity", "true, raw, zero, ones, refused", take_capacity },
        { "transport", "bot, cbi, cb, uas, uas-only", take_transport },
        { "streams", "a power of two from 2 to 256", take_streams },
        { "queue-depth", "1 to 256", take_queue_depth },
        { "disorder-us", "0 to 60000000", take_disorder },
        { "command-set", "scsi, 8070, ufi", take_command_set },
        { "speed", "full, high, super", take_speed },
        { "link", "real, ideal", take_link },
        { "latency-us", "0 to 60000000", take_latency },
        { "vid", "0 to ffff, hexadecimal", take_vid },
        { "pid", "0 to ffff, hexadecimal", take_pid },
        { "serial", "1 to 31 of A-Z a-z 0-9 . _ -", take_serial },
        { "vendor", "1 to 8 printable characters", take_vendor },
        { "model", "1 to 16 printable characters", take_model },
        { "removable", "yes, no", take_removable },
        { "locked", "yes, no", take_locked },
        { "read-only", "yes, no", take_read_only },
        { "write-cache", "yes, no", take_write_cache },
        { "cache-size", "a size from 64K to 1G (K, M, G)", take_cache_size },
        { "reset-loses-cache", "yes, no", take_reset_loses_cache },
        { "unmap", "yes, no", take_unmap },
        { "scsi-version", "0 to 7", take_scsi_version },
        { "rotation", "0 to 65534", take_rotation },
        { "spin-up-ms", "0 to 4294967295", take_spin_up },
        { "stop-after-ms", "0 to 4294967295", take_stop_after },
        { "stopped", "refuse, start", take_stopped },
        { "suspend", "yes, no", take_suspend },
        { "short-data", "stall, short, pad", take_short_data },
        { "pipelining", "yes, no", take_pipelining },
        { "seed", "0 to 18446744073709551615", take_seed },
        { "faults", "FAULT;FAULT...", NULL },
};

/* Keys whose bare name means yes. */
static bool is_flag(const char *allowed) { return strcmp(allowed, "yes, no") == 0; }

void simulator_spec_init(SimulatorSpec *spec) {
        *spec = (SimulatorSpec){
                .size = GIB,
                .is_formatted = true,
                .n_streams = 32,
                .queue_depth = 32,
                .speed = USB_SPEED_SUPER,
                .vendor_id = 0x1209,
                .product_id = 0x0001,
                .serial = "SIM0",
                .vendor = "ORION",
                .model = "SIMULATED DISK",
                .has_write_cache = true,
                .cache_size = 8 * MIB,
                .loses_cache_on_reset = true,
                .has_unmap = true,
                .scsi_version = 6,
                .rotation_rate = 1,
                .can_suspend = true,
                .short_data = SIMULATOR_SHORT_DATA_STALL,
                .bears_pipelining = true,
                .seed = 1,
        };
        simulator_drive_init(&spec->drive);
}

bool simulator_spec_has_uas(const SimulatorSpec *spec) {
        return spec->transport == SIMULATOR_TRANSPORT_UAS ||
               spec->transport == SIMULATOR_TRANSPORT_UAS_ONLY;
}

#define KNOWN_SIZE 768

static void add_known(char *known, const char *name) {
        size_t size = strlen(known);
        int n = snprintf(known + size, KNOWN_SIZE - size, "%s%s", size == 0 ? "" : ", ", name);

        assert(size + (size_t) n < KNOWN_SIZE);
}

static int refuse_unknown(SimulatorText key, SimulatorText value, char **ret_error) {
        char known[KNOWN_SIZE] = "";

        for (size_t i = 0; i < N_ELEMENTS(spec_keys); i++)
                add_known(known, spec_keys[i].name);
        for (const SimulatorDriveKey *drive_key = simulator_drive_keys; drive_key->name;
             drive_key++)
                add_known(known, drive_key->name);
        add_known(known, "attribute-N");
        return simulator_text_refuse(
                        ret_error, -EINVAL, "%.*s=%.*s: there is no such key; allowed are %s",
                        (int) key.size, key.start, (int) value.size, value.start, known);
}

static const SpecKey *find_key(SimulatorText name) {
        for (size_t i = 0; i < N_ELEMENTS(spec_keys); i++)
                if (simulator_text_equals(name, spec_keys[i].name))
                        return &spec_keys[i];
        return NULL;
}

static int take_faults(SimulatorSpec *spec, SimulatorText value, char **ret_error) {
        _cleanup_(freep) char *text = strndup(value.start, value.size);

        if (!text) {
                *ret_error = NULL;
                return -ENOMEM;
        }
        return simulator_fault_plan_parse(&spec->faults, text, ret_error);
}

static int refuse_value(SimulatorText name, SimulatorText value, const char *allowed,
                        char **ret_error) {
        return simulator_text_refuse(ret_error, -EINVAL, "%.*s=%.*s: allowed is %s",
                                     (int) name.size, name.start, (int) value.size, value.start,
                                     allowed);
}

/* A key of the drive; without one of these there is no such key. */
static int parse_drive_pair(SimulatorSpec *spec, SimulatorText name, SimulatorText value,
                            bool has_value, char **ret_error) {
        const SimulatorDriveKey *key = simulator_drive_keys_find(name);

        if (simulator_drive_keys_is_attribute(name)) {
                if (simulator_drive_keys_take_attribute(&spec->drive, name, value))
                        return 0;
                return refuse_value(name, value,
                                    "attribute-1 to 255, at most 30 of them, with "
                                    "RAW[/VALUE[/WORST[/THRESHOLD]]]",
                                    ret_error);
        }
        if (!key)
                return refuse_unknown(name, value, ret_error);
        if (!has_value && is_flag(key->allowed))
                value = simulator_text("yes");
        return key->take(&spec->drive, value) ? 0
                                              : refuse_value(name, value, key->allowed, ret_error);
}

static int parse_pair(SimulatorSpec *spec, SimulatorText pair, char **ret_error) {
        SimulatorText name, value;

        bool has_value = simulator_text_split(pair, '=', &name, &value);
        const SpecKey *key = find_key(name);
        if (!key)
                return parse_drive_pair(spec, name, value, has_value, ret_error);
        if (!key->take && has_value)
                return take_faults(spec, value, ret_error);
        if (!has_value && is_flag(key->allowed))
                value = simulator_text("yes");
        if (!key->take || !key->take(spec, value))
                return refuse_value(name, value, key->allowed, ret_error);
        return 0;
}

/* What a floppy or optical drive is, whatever the other keys say. */
static void settle_type(SimulatorSpec *spec) {
        bool is_optical = spec->type == SIMULATOR_TYPE_OPTICAL;

        if (spec->block_size == 0)
                spec->block_size = is_optical ? 2048 : 512;
        if (is_optical || spec->command_set == SIMULATOR_COMMAND_SET_UFI) {
                spec->is_removable = true;
                spec->has_write_cache = false;
                spec->has_unmap = false;
        }
        if (is_optical)
                spec->is_read_only = true;
        if (is_optical && spec->has_no_disc)
                spec->empty_luns = UINT16_MAX;
}

/* What no key can judge alone. */
static int check_together(SimulatorSpec *spec, char **ret_error) {
        settle_type(spec);
        if (spec->n_luns == 0)
                spec->n_luns = MAX(spec->n_files, (size_t) 1);
        if (spec->n_luns < spec->n_files)
                return simulator_text_refuse(ret_error, -EINVAL,
                                             "luns=%zu: allowed is 1 to 16, not below the number "
                                             "of files, which is %zu",
                                             spec->n_luns, spec->n_files);
        if (spec->transport != SIMULATOR_TRANSPORT_BOT && !simulator_spec_has_uas(spec) &&
            spec->n_luns > 1)
                return simulator_text_refuse(ret_error, -EINVAL,
                                             "luns=%zu: allowed is 1 where the transport is CBI or "
                                             "CB",
                                             spec->n_luns);
        if (spec->type == SIMULATOR_TYPE_OPTICAL && spec->command_set == SIMULATOR_COMMAND_SET_UFI)
                return simulator_text_refuse(ret_error, -EINVAL,
                                             "command-set=ufi: allowed is scsi, 8070 where the "
                                             "type is optical");
        if (!simulator_drive_settle(&spec->drive))
                return simulator_text_refuse(ret_error, -EINVAL,
                                             "bridge: allowed is one for its kind of drive, which "
                                             "smart=ata, nvme, scsi tells");
        if (spec->physical_block_size == 0)
                spec->physical_block_size = spec->block_size;
        if (spec->physical_block_size < spec->block_size)
                return simulator_text_refuse(ret_error, -EINVAL,
                                             "physical-block-size=%u: allowed is a power of two "
                                             "from 512 to 64K, not below block-size, which is %u",
                                             spec->physical_block_size, spec->block_size);
        return 0;
}

int simulator_spec_parse(SimulatorSpec *spec, const char *text, char **ret_error) {
        _cleanup_(freep) SimulatorSpec *parsed = malloc(sizeof(*parsed));
        SimulatorText rest = simulator_text(text), pair;
        int r = 0;

        *ret_error = NULL;
        if (!parsed)
                return -ENOMEM;

        simulator_spec_init(parsed);
        while (r == 0 && text[0] != 0 && simulator_text_next(&rest, ',', &pair))
                r = parse_pair(parsed, pair, ret_error);
        if (r == 0)
                r = check_together(parsed, ret_error);
        if (r < 0)
                return r;

        *spec = *parsed;
        return 0;
}
