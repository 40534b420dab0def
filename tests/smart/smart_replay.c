/*
 * Asks a simulated ATA drive for what tells of its health, and writes it down twice: as a transcript
 * that smartctl replays from its standard input (smartctl(8), "-r ataioctl,2" and "-"), and as our own
 * decoders understand it, as JSON. For compare_with_smartctl.py.
 *
 *     smart_replay SPEC TRANSCRIPT JSON
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/unit_test.h"
#include "base/macros.h"
#include "scsi_bench.h"
#include "smart/smart_ata.h"
#include "smart/smart_registers.h"
#include "smart_dump.h"

#define SECTOR SMART_ATA_SECTOR_SIZE
#define LINE_SIZE 16
#define DEVICE "simulated"

typedef struct Replay {
        ScsiBench bench;
        FILE *transcript;
        SmartData data;
} Replay;

static void put_sector(FILE *file, const char *name, const uint8_t *sector) {
        fprintf(file, "===== [%s] DATA START (BASE-16) =====\n", name);
        for (size_t i = 0; i < SECTOR; i += LINE_SIZE) {
                fprintf(file, "%03zu-%03zu:", i, i + LINE_SIZE - 1);
                for (size_t k = 0; k < LINE_SIZE; k++)
                        fprintf(file, " %02x", sector[i + k]);
                fprintf(file, " |................|\n");
        }
        fprintf(file, "===== [%s] DATA END (512 Bytes) =====\n", name);
}

static void put_command(Replay *replay, const char *name, const char *parameter, int result) {
        fprintf(replay->transcript, "REPORT-IOCTL: Device=" DEVICE " Command=%s%s\n", name,
                parameter);
        fprintf(replay->transcript, "REPORT-IOCTL: Device=" DEVICE " Command=%s returned %d\n",
                name, result);
}

/* NULL: the drive has it not. */
static const uint8_t *read_sector(Replay *replay, const char *name, const char *parameter,
                                  uint8_t command, uint8_t feature, uint8_t log) {
        const uint8_t cdb[16] = { 0x85, 0x08, 0x0E, 0,    feature, 0, 1,      0,
                                  log,  0,    0x4F, 0x00, 0xC2,    0, command };

        if (scsi_bench_run(&replay->bench, 0, cdb) != 0)
                return NULL;
        assert(replay->bench.data_size == SECTOR);
        put_command(replay, name, parameter, 0);
        put_sector(replay->transcript, name, replay->bench.data);
        return replay->bench.data;
}

static void read_status(Replay *replay) {
        static const uint8_t cdb[16] = { 0x85, 0x06, 0x20, 0,    0xDA, 0, 0,   0,
                                         0,    0,    0x4F, 0x00, 0xC2, 0, 0xB0 };
        static const uint8_t sense_cdb[16] = { 0x03, 0, 0, 0, 96 };
        SmartAtaRegisters registers;
        bool has_registers;

        scsi_bench_run(&replay->bench, 0, cdb);
        scsi_bench_run(&replay->bench, 0, sense_cdb);
        has_registers = smart_registers_parse(&registers, replay->bench.data,
                                              replay->bench.data_size);
        assert(has_registers);
        put_command(replay, "SMART STATUS CHECK", "", registers.lba >> 8 == 0xC24F ? 0 : 1);
        smart_ata_decode_status(&replay->data, &registers);
}

/* In the order in which smartctl asks. */
static void ask(Replay *replay) {
        SmartData *data = &replay->data;

        smart_ata_decode_identity(data, read_sector(replay, "IDENTIFY DEVICE", "", 0xEC, 0, 0),
                                  SECTOR);
        smart_ata_decode_attributes(
                        data, read_sector(replay, "SMART READ ATTRIBUTE VALUES", "", 0xB0, 0xD0, 0),
                        SECTOR);
        smart_ata_decode_thresholds(
                        data,
                        read_sector(replay, "SMART READ ATTRIBUTE THRESHOLDS", "", 0xB0, 0xD1, 0),
                        SECTOR);
        read_status(replay);
        smart_ata_decode_error_log(
                        data,
                        read_sector(replay, "SMART READ LOG", " InputParameter=1", 0xB0, 0xD5, 1),
                        SECTOR);
        smart_ata_decode_self_tests(
                        data,
                        read_sector(replay, "SMART READ LOG", " InputParameter=6", 0xB0, 0xD5, 6),
                        SECTOR);
}

/* Some of its self-tests have run, one of them not to its end. */
static void run_tests(Replay *replay) {
        static const uint8_t codes[] = { 0x01, 0x02, 0x03, 0x01, 0x7F };

        for (size_t i = 0; i < sizeof(codes); i++) {
                const uint8_t cdb[16] = { 0x85,     0x06, 0x00, 0,    0xD4, 0, 0,   0,
                                          codes[i], 0,    0x4F, 0x00, 0xC2, 0, 0xB0 };

                scsi_bench_run(&replay->bench, 0, cdb);
                scsi_bench_sleep(&replay->bench, i < 3 ? 10 * NS_PER_S : NS_PER_S / 4);
        }
}

static char **arguments;

/* The bench asserts what it expects. */
START_TEST(the_drive_is_asked) {
        Replay replay = { .transcript = fopen(arguments[2], "w") };
        FILE *file = fopen(arguments[3], "w");
        char *text;

        ck_assert(replay.transcript && file);
        smart_data_init(&replay.data, SMART_KIND_ATA);
        scsi_bench_init(&replay.bench, arguments[1]);
        run_tests(&replay);
        ask(&replay);
        text = smart_dump(&replay.data);
        fputs(text, file);
        free(text);
        fclose(replay.transcript);
        fclose(file);
        scsi_bench_done(&replay.bench);
}
END_TEST

int main(int argc, char **argv) {
        Suite *suite = suite_create("smart_replay");
        TCase *tcase = tcase_create("smart_replay");

        if (argc != 4)
                return EXIT_FAILURE;
        arguments = argv;
        tcase_add_test(tcase, the_drive_is_asked);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
