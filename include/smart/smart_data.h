#pragma once

/*
 * SmartData
 *
 * What a drive knows of its own health, whatever language it tells it in. Plain data, made by the
 * decoders (smart_ata, smart_nvme, smart_scsi) out of the drive's answers, one section for each
 * answer. What an answer did not tell is not known, and an answer that is no good changes nothing
 * but the section's SmartAnswer, which smart_verdict() then counts.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMART_MODEL_SIZE 41
#define SMART_SERIAL_SIZE 33
#define SMART_FIRMWARE_SIZE 9

#define SMART_ATTRIBUTES_MAX 30 /* ACS-2: a table of 30 */
#define SMART_ERRORS_MAX 8      /* the last ones */
#define SMART_SELF_TESTS_MAX 21 /* ATA tells of 21, SCSI and NVMe of 20 */
#define SMART_SENSORS_MAX 8
#define SMART_PAGES_MAX 64

typedef enum SmartKind {
        SMART_KIND_UNKNOWN,
        SMART_KIND_ATA,
        SMART_KIND_NVME,
        SMART_KIND_SCSI,
        _SMART_KIND_MAX,
} SmartKind;

/* What came when a section was asked for. */
typedef enum SmartAnswer {
        SMART_ANSWER_NONE, /* it was not asked for */
        SMART_ANSWER_GOOD,
        SMART_ANSWER_REFUSED,   /* the drive or its bridge does not have it */
        SMART_ANSWER_LOST,      /* the bridge did not carry it back */
        SMART_ANSWER_TRUNCATED, /* fewer bytes than it has */
        SMART_ANSWER_CHECKSUM,  /* its checksum is wrong */
        SMART_ANSWER_ABSURD,    /* no drive means that */
        _SMART_ANSWER_MAX,
} SmartAnswer;

typedef enum SmartSection {
        SMART_SECTION_IDENTITY,
        SMART_SECTION_STATUS,     /* the drive's own verdict */
        SMART_SECTION_ATTRIBUTES, /* ATA */
        SMART_SECTION_THRESHOLDS, /* ATA */
        SMART_SECTION_HEALTH,     /* NVMe: the health log */
        SMART_SECTION_ERROR_LOG,  /* ATA, NVMe */
        SMART_SECTION_SELF_TESTS,
        SMART_SECTION_PAGES,          /* SCSI: which log pages there are; the rest as well */
        SMART_SECTION_WRITE_COUNTERS, /* page 02h */
        SMART_SECTION_READ_COUNTERS,  /* 03h */
        SMART_SECTION_VERIFY_COUNTERS,
        SMART_SECTION_NON_MEDIUM,
        SMART_SECTION_TEMPERATURE,
        SMART_SECTION_START_STOP,
        SMART_SECTION_ENDURANCE,
        SMART_SECTION_BACKGROUND_SCAN,
        SMART_SECTION_DEFECTS,
        _SMART_SECTION_MAX,
} SmartSection;

typedef enum SmartStatus {
        SMART_STATUS_UNKNOWN,
        SMART_STATUS_PASSED,
        SMART_STATUS_FAILING,
        _SMART_STATUS_MAX,
} SmartStatus;

typedef struct SmartNumber {
        bool is_known;
        uint64_t value; /* UINT64_MAX: that, or more */
} SmartNumber;

typedef struct SmartTruth {
        bool is_known;
        bool value;
} SmartTruth;

typedef struct SmartCelsius {
        bool is_known;
        int16_t value;
} SmartCelsius;

typedef struct SmartIdentity {
        char model[SMART_MODEL_SIZE]; /* printable ASCII, without blanks around it; may be empty */
        char serial[SMART_SERIAL_SIZE];
        char firmware[SMART_FIRMWARE_SIZE];
        SmartNumber capacity_bytes;
        SmartNumber rotation_rpm; /* 0: nothing turns */
} SmartIdentity;

typedef enum SmartAttributeState {
        SMART_ATTRIBUTE_STATE_UNKNOWN, /* no threshold, or a value that is none */
        SMART_ATTRIBUTE_STATE_GOOD,
        SMART_ATTRIBUTE_STATE_FAILED_BEFORE, /* its worst value is at the threshold */
        SMART_ATTRIBUTE_STATE_FAILING,
        _SMART_ATTRIBUTE_STATE_MAX,
} SmartAttributeState;

#define SMART_ATTRIBUTE_PREFAILURE 0x0001 /* of its flags: below the threshold it means a failure */

typedef struct SmartAttribute {
        uint8_t id;
        uint16_t flags;
        uint8_t value;
        uint8_t worst;
        uint64_t raw; /* 48 bits, whose meaning is the maker's */
        bool has_threshold;
        uint8_t threshold; /* 0: never fails */
        SmartAttributeState state;
} SmartAttribute;

typedef enum SmartSelfTestKind {
        SMART_SELF_TEST_KIND_OTHER,
        SMART_SELF_TEST_KIND_OFFLINE,
        SMART_SELF_TEST_KIND_SHORT,
        SMART_SELF_TEST_KIND_EXTENDED,
        SMART_SELF_TEST_KIND_CONVEYANCE,
        SMART_SELF_TEST_KIND_SELECTIVE,
        _SMART_SELF_TEST_KIND_MAX,
} SmartSelfTestKind;

typedef enum SmartSelfTestResult {
        SMART_SELF_TEST_RESULT_UNKNOWN,
        SMART_SELF_TEST_RESULT_PASSED,
        SMART_SELF_TEST_RESULT_ABORTED,     /* somebody stopped it */
        SMART_SELF_TEST_RESULT_INTERRUPTED, /* a reset, or the end of power; or it gave up */
        SMART_SELF_TEST_RESULT_FAILED,
        SMART_SELF_TEST_RESULT_RUNNING,
        _SMART_SELF_TEST_RESULT_MAX,
} SmartSelfTestResult;

typedef struct SmartSelfTest {
        SmartSelfTestKind kind;
        SmartSelfTestResult result;
        uint8_t code; /* the result as the drive told it */
        SmartNumber remaining_percent;
        SmartNumber power_on_hours; /* of the drive at that time */
        SmartNumber lba;            /* the first that failed */
} SmartSelfTest;

typedef struct SmartSelfTests {
        SmartTruth is_running;
        SmartNumber remaining_percent; /* of what runs */
        SmartNumber short_minutes;     /* how long they take */
        SmartNumber extended_minutes;
        SmartNumber conveyance_minutes;
        size_t n_entries;
        SmartSelfTest entries[SMART_SELF_TESTS_MAX]; /* the newest one first */
} SmartSelfTests;

typedef struct SmartError {
        uint8_t command; /* ATA alone, as are status and error as registers */
        uint8_t error;
        uint16_t status; /* NVMe: status field without its phase bit */
        SmartNumber number;
        SmartNumber power_on_hours;
        SmartNumber lba;
} SmartError;

/* NVM Express 1.4, figure 196, in the units told there. */
typedef struct SmartHealth {
        uint8_t critical_warning;
        uint8_t spare_percent;
        uint8_t spare_threshold_percent;
        uint8_t used_percent;        /* of its estimated life; may be more than 100 */
        uint64_t data_units_read;    /* 512,000 bytes */
        uint64_t data_units_written; /* likewise */
        uint64_t read_commands;      /* by the host */
        uint64_t write_commands;     /* likewise */
        uint64_t busy_minutes;       /* of the controller */
        uint64_t unsafe_shutdowns;   /* power went without notice */
        uint64_t media_errors;       /* data that could not be corrected */
        uint64_t error_log_entries;  /* over its life */
        uint32_t warm_minutes;       /* above the warning temperature */
        uint32_t hot_minutes;        /* above the critical one */
        SmartCelsius sensors[SMART_SENSORS_MAX];
} SmartHealth;

#define SMART_HEALTH_SPARE_LOW 0x01 /* of critical_warning */
#define SMART_HEALTH_TEMPERATURE 0x02
#define SMART_HEALTH_UNRELIABLE 0x04
#define SMART_HEALTH_READ_ONLY 0x08
#define SMART_HEALTH_BACKUP_FAILED 0x10
#define SMART_HEALTH_PERSISTENT_REGION 0x20

/* SPC-4, "Error counter log page". */
typedef struct SmartErrorCounters {
        SmartNumber corrected_fast; /* without substantial delay */
        SmartNumber corrected_delayed;
        SmartNumber repeated; /* rereads or rewrites */
        SmartNumber corrected;
        SmartNumber corrections; /* times that the algorithm was used */
        SmartNumber bytes;
        SmartNumber uncorrected;
} SmartErrorCounters;

typedef struct SmartScsi {
        size_t n_pages;
        uint8_t pages[SMART_PAGES_MAX]; /* those that the drive lists */
        uint8_t asc;                    /* of its informational exception */
        uint8_t ascq;
        SmartErrorCounters write;
        SmartErrorCounters read;
        SmartErrorCounters verify;
        SmartNumber non_medium_errors;
        SmartNumber start_stops;
        SmartNumber start_stops_specified; /* over its life */
        SmartNumber load_unloads;
        SmartNumber load_unloads_specified;
        SmartNumber made_year;
        SmartNumber made_week;
        SmartTruth scan_is_running; /* in the background */
        uint8_t scan_status;
        SmartNumber scan_progress_percent;
        SmartNumber scans;
        SmartNumber grown_defects;
} SmartScsi;

typedef struct SmartData {
        SmartKind kind;
        SmartAnswer answers[_SMART_SECTION_MAX];
        SmartIdentity identity;
        SmartTruth is_supported;
        SmartTruth is_enabled;
        SmartStatus status; /* unknown: answers[SMART_SECTION_STATUS] says why */

        /* What all kinds may know. */
        SmartCelsius temperature;
        SmartCelsius temperature_min; /* over its life */
        SmartCelsius temperature_max;
        SmartCelsius temperature_warning; /* from here on it is too warm */
        SmartCelsius temperature_critical;
        SmartNumber power_on_hours;
        SmartNumber power_cycles;
        SmartNumber reallocated_sectors;
        SmartNumber pending_sectors;
        SmartNumber uncorrectable_sectors;
        SmartNumber used_percent; /* of what its flash endures; may be more than 100 */

        SmartNumber n_errors; /* over its life */
        size_t n_error_entries;
        SmartError errors[SMART_ERRORS_MAX]; /* the newest one first */
        SmartSelfTests self_tests;

        size_t n_attributes;
        SmartAttribute attributes[SMART_ATTRIBUTES_MAX]; /* ATA */
        SmartHealth health;                              /* NVMe, if its answer is good */
        SmartScsi scsi;
} SmartData;

/* Nothing is known. */
void smart_data_init(SmartData *data, SmartKind kind);
/* Notes what came in place of an answer that a decoder could be given; returns `answer`. */
SmartAnswer smart_data_note(SmartData *data, SmartSection section, SmartAnswer answer);
/* What came from another process. */
bool smart_data_is_valid(const SmartData *data);
/* NULL: there is no such attribute. */
const SmartAttribute *smart_data_find_attribute(const SmartData *data, uint8_t id);

const char *smart_kind_to_string(SmartKind kind);
/* "is truncated" */
const char *smart_answer_to_string(SmartAnswer answer);
/* "table of attributes" */
const char *smart_section_to_string(SmartSection section);
