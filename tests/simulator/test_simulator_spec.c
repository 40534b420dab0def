/* Specifications: what each key takes, what it refuses and how it says so. */

#include <errno.h>
#include <string.h>

#include "../base/unit_test.h"
#include "simulator/simulator_spec.h"

typedef struct Refusal {
        const char *text;
        const char *key; /* both are in the message */
        const char *allowed;
} Refusal;

static const Refusal refusals[] = {
        { "colour=red", "colour=red", "allowed are file, size, block-size" },
        { "", NULL, NULL }, /* accepted */
        { ",", "=", "there is no such key" },
        { "size=1G,", "=", "there is no such key" },
        { "size", "size=", "a size from 4K to 16T" },
        { "size=", "size=", "a size from 4K to 16T" },
        { "size=1X", "size=1X", "a size from 4K to 16T" },
        { "size=K", "size=K", "a size from 4K to 16T" },
        { "size=-1", "size=-1", "a size from 4K to 16T" },
        { "size=4095", "size=4095", "a size from 4K to 16T" },
        { "size=17T", "size=17T", "a size from 4K to 16T" },
        { "size=18446744073709551616", "size=18446744073709551616", "a size from 4K to 16T" },
        { "size=18014398509481984K", "size=18014398509481984K", "a size from 4K to 16T" },
        { "file=", "file=", "PATH" },
        { "file=a+", "file=a+", "PATH" },
        { "file=a+b,luns=1", "luns=1", "not below the number of files, which is 2" },
        { "file=1+2+3+4+5+6+7+8+9+10+11+12+13+14+15+16+17", "file=", "at most 16" },
        { "block-size=513", "block-size=513", "512, 1024, 2048, 4096" },
        { "block-size=8192", "block-size=8192", "512, 1024, 2048, 4096" },
        { "block-size=256", "block-size=256", "512, 1024, 2048, 4096" },
        { "physical-block-size=3000", "physical-block-size=3000", "a power of two" },
        { "block-size=4096,physical-block-size=512", "physical-block-size=512", "which is 4096" },
        { "luns=0", "luns=0", "1 to 16" },
        { "luns=17", "luns=17", "1 to 16" },
        { "empty=16", "empty=16", "each 0 to 15" },
        { "empty=1+", "empty=1+", "each 0 to 15" },
        { "luns=2x", "luns=2x", "1 to 16" },
        { "type=tape", "type=tape", "disk, optical" },
        { "disc=vinyl", "disc=vinyl", "data, blank, audio, none" },
        { "formatted=maybe", "formatted=maybe", "yes, no" },
        { "capacity=half", "capacity=half", "true, raw, zero, ones, refused" },
        { "type=optical,command-set=ufi", "command-set=ufi", "scsi, 8070" },
        { "transport=uasp", "transport=uasp", "bot, cbi, cb, uas, uas-only" },
        { "queue-depth=257", "queue-depth=257", "1 to 256" },
        { "streams=24", "streams=24", "a power of two" },
        { "command-set=atapi", "command-set=atapi", "scsi, 8070, ufi" },
        { "transport=cbi,luns=2", "luns=2", "allowed is 1 where the transport is CBI" },
        { "speed=low", "speed=low", "full, high, super" },
        { "link=fast", "link=fast", "real, ideal" },
        { "latency-us=60000001", "latency-us=60000001", "0 to 60000000" },
        { "vid=12345", "vid=12345", "0 to ffff" },
        { "vid=xyz", "vid=xyz", "0 to ffff" },
        { "pid=", "pid=", "0 to ffff" },
        { "serial=a b", "serial=a b", "1 to 31 of" },
        { "serial=0123456789012345678901234567890X", "serial=", "1 to 31 of" },
        { "vendor=NINECHARS", "vendor=NINECHARS", "1 to 8 printable" },
        { "model=\t", "model=", "1 to 16 printable" },
        { "removable=maybe", "removable=maybe", "yes, no" },
        { "removable=", "removable=", "yes, no" },
        { "read-only=1", "read-only=1", "yes, no" },
        { "write-cache=on", "write-cache=on", "yes, no" },
        { "cache-size=1K", "cache-size=1K", "64K to 1G" },
        { "reset-loses-cache=x", "reset-loses-cache=x", "yes, no" },
        { "unmap=x", "unmap=x", "yes, no" },
        { "rotation=65535", "rotation=65535", "0 to 65534" },
        { "spin-up-ms=x", "spin-up-ms=x", "0 to 4294967295" },
        { "stop-after-ms=-1", "stop-after-ms=-1", "0 to 4294967295" },
        { "stopped=maybe", "stopped=maybe", "refuse, start" },
        { "suspend=2", "suspend=2", "yes, no" },
        { "short-data=long", "short-data=long", "stall, short, pad" },
        { "pipelining=x", "pipelining=x", "yes, no" },
        { "seed=x", "seed=x", "0 to 18446744073709551615" },
        { "smart=sick", "smart=sick", "none, ata, nvme, scsi" },
        { "bridge=usb", "bridge=usb", "none, sat, sat12" },
        { "smart=ata,bridge=nvme-jmicron", "bridge", "one for its kind of drive" },
        { "smart=nvme,bridge=sat", "bridge", "one for its kind of drive" },
        { "bridge=sat", "bridge", "one for its kind of drive" },
        { "registers=many", "registers=many", "descriptor, fixed, cut" },
        { "smart-enabled=x", "smart-enabled=x", "yes, no" },
        { "failing=x", "failing=x", "yes, no" },
        { "temperature=0", "temperature=0", "1 to 120" },
        { "wear=256", "wear=256", "0 to 255" },
        { "spare=101", "spare=101", "0 to 100" },
        { "defects=1001", "defects=1001", "0 to 1000" },
        { "errors=x", "errors=x", "0 to 1000" },
        { "self-test-result=f", "self-test-result=f", "0 to e" },
        { "attribute-0=1", "attribute-0=1", "RAW[/VALUE" },
        { "attribute-5=", "attribute-5=", "RAW[/VALUE" },
        { "attribute-5=1/256", "attribute-5=1/256", "RAW[/VALUE" },
        { "attribute-5=1/2/3/4/5", "attribute-5=1/2/3/4/5", "RAW[/VALUE" },
        { "attribute-x=1", "attribute-x=1", "attribute-1 to 255" },
        { "attribute-=1", "attribute-=1", "there is no such key" },
        { "faults", "faults=", "FAULT;FAULT" },
        { "faults=explode", "explode", "allowed are stall, hang" },
};

START_TEST(a_bad_specification_is_refused_by_key_value_and_what_is_allowed) {
        const Refusal *refusal = &refusals[_i];
        SimulatorSpec spec = { .n_luns = 99 };
        char *error = NULL;

        int r = simulator_spec_parse(&spec, refusal->text, &error);
        if (!refusal->key) {
                ck_assert_int_eq(r, 0);
                ck_assert_ptr_null(error);
                return;
        }
        ck_assert_int_eq(r, -EINVAL);
        ck_assert_ptr_nonnull(error);
        ck_assert_msg(strstr(error, refusal->key) && strstr(error, refusal->allowed),
                      "\"%s\" gave: %s", refusal->text, error);
        ck_assert_uint_eq(spec.n_luns, 99); /* nothing was written */
        free(error);
}
END_TEST

static SimulatorSpec parse(const char *text) {
        SimulatorSpec spec;
        char *error;

        ck_assert_msg(simulator_spec_parse(&spec, text, &error) == 0, "%s: %s", text, error);
        return spec;
}

START_TEST(an_empty_text_is_a_gibibyte_at_super_speed) {
        SimulatorSpec spec = parse("");

        ck_assert_uint_eq(spec.size, GIB);
        ck_assert_uint_eq(spec.block_size, 512);
        ck_assert_uint_eq(spec.physical_block_size, 512);
        ck_assert_uint_eq(spec.n_luns, 1);
        ck_assert_uint_eq(spec.n_files, 0);
        ck_assert_int_eq(spec.speed, USB_SPEED_SUPER);
        ck_assert(!spec.is_link_ideal);
        ck_assert(spec.has_write_cache);
        ck_assert(spec.loses_cache_on_reset);
        ck_assert(spec.has_unmap);
        ck_assert(spec.bears_pipelining);
        ck_assert(!spec.is_removable);
        ck_assert(!spec.is_read_only);
        ck_assert_int_eq(spec.short_data, SIMULATOR_SHORT_DATA_STALL);
}
END_TEST

START_TEST(every_key_reaches_its_field) {
        SimulatorSpec spec = parse(
                        "size=3M,block-size=2048,physical-block-size=4K,luns=3,type=disk,"
                        "transport=bot,speed=full,link=ideal,latency-us=7,vid=0xAbCd,pid=12,"
                        "serial=A.b_c-9,vendor=Acme Inc,model=Rocket "
                        "2000,removable,locked,read-only=yes,"
                        "write-cache=no,cache-size=1M,reset-loses-cache=no,unmap=no,rotation=7200,"
                        "spin-up-ms=900,short-data=pad,pipelining=no,seed=42,"
                        "faults=stall:data@nth=3;slow:20");

        ck_assert_uint_eq(spec.size, 3 * MIB);
        ck_assert_uint_eq(spec.block_size, 2048);
        ck_assert_uint_eq(spec.physical_block_size, 4096);
        ck_assert_uint_eq(spec.n_luns, 3);
        ck_assert_int_eq(spec.speed, USB_SPEED_FULL);
        ck_assert(spec.is_link_ideal);
        ck_assert_uint_eq(spec.latency_us, 7);
        ck_assert_uint_eq(spec.vendor_id, 0xABCD);
        ck_assert_uint_eq(spec.product_id, 0x12);
        ck_assert_str_eq(spec.serial, "A.b_c-9");
        ck_assert_str_eq(spec.vendor, "Acme Inc");
        ck_assert_str_eq(spec.model, "Rocket 2000");
        ck_assert(spec.is_removable);
        ck_assert(spec.is_locked);
        ck_assert(spec.is_read_only);
        ck_assert(!spec.has_write_cache);
        ck_assert_uint_eq(spec.cache_size, MIB);
        ck_assert(!spec.loses_cache_on_reset);
        ck_assert(!spec.has_unmap);
        ck_assert_uint_eq(spec.rotation_rate, 7200);
        ck_assert_uint_eq(spec.spin_up_ms, 900);
        ck_assert_int_eq(spec.short_data, SIMULATOR_SHORT_DATA_PAD);
        ck_assert(!spec.bears_pipelining);
        ck_assert_uint_eq(spec.seed, 42);
        ck_assert_uint_eq(spec.faults.n_faults, 2);
}
END_TEST

START_TEST(an_optical_drive_is_removable_and_read_only_with_blocks_of_2048) {
        SimulatorSpec spec = parse("type=optical,write-cache=yes,unmap=yes,read-only=no");

        ck_assert_int_eq(spec.type, SIMULATOR_TYPE_OPTICAL);
        ck_assert_int_eq(spec.disc, SIMULATOR_DISC_DATA);
        ck_assert_int_eq(spec.capacity, SIMULATOR_CAPACITY_TRUE);
        ck_assert_uint_eq(spec.block_size, 2048);
        ck_assert_uint_eq(spec.empty_luns, 0);
        ck_assert(spec.is_removable);
        ck_assert(spec.is_read_only);
        ck_assert(spec.is_formatted);
        ck_assert(!spec.has_write_cache);
        ck_assert(!spec.has_unmap);
        ck_assert_uint_eq(parse("block-size=512,type=optical").block_size, 512);
        ck_assert_uint_eq(parse("type=optical,disc=none").empty_luns, 0xFFFF);
        ck_assert_int_eq(parse("type=optical,disc=blank").disc, SIMULATOR_DISC_BLANK);
        ck_assert_int_eq(parse("type=optical,disc=audio").disc, SIMULATOR_DISC_AUDIO);
        ck_assert_int_eq(parse("capacity=raw").capacity, SIMULATOR_CAPACITY_RAW);
        ck_assert_int_eq(parse("capacity=refused").capacity, SIMULATOR_CAPACITY_REFUSED);
        ck_assert(!parse("formatted=no").is_formatted);
}
END_TEST

START_TEST(what_is_said_of_a_drive_reaches_it) {
        SimulatorDrive drive = parse("smart=ata,registers=fixed,failing,temperature=50,errors=3,"
                                     "attribute-5=12,attribute-77=1/2/3/4,wear=7")
                                               .drive;

        ck_assert_int_eq(drive.kind, SIMULATOR_DRIVE_ATA);
        ck_assert_int_eq(drive.bridge, SIMULATOR_BRIDGE_SAT);
        ck_assert_int_eq(drive.registers, SIMULATOR_REGISTERS_FIXED);
        ck_assert(drive.is_failing);
        ck_assert_uint_eq(drive.celsius, 50);
        ck_assert_uint_eq(drive.n_errors, 3);
        ck_assert_uint_eq(drive.wear_percent, 7);
        ck_assert_uint_eq(drive.attributes[1].raw, 12);
        ck_assert_uint_eq(drive.attributes[1].threshold, 140);
        ck_assert_uint_eq(drive.attributes[8].id, 77);
        ck_assert_uint_eq(drive.attributes[8].value, 2);
        ck_assert_uint_eq(drive.attributes[8].worst, 3);
        ck_assert_uint_eq(drive.attributes[8].threshold, 4);
        ck_assert_int_eq(parse("smart=nvme").drive.bridge, SIMULATOR_BRIDGE_NVME_JMICRON);
        ck_assert_int_eq(parse("").drive.kind, SIMULATOR_DRIVE_NONE);
}
END_TEST

START_TEST(files_become_luns_in_their_order) {
        SimulatorSpec spec = parse("file=/a/b+/c=d,file=e,luns=4");

        ck_assert_uint_eq(spec.n_files, 3);
        ck_assert_str_eq(spec.files[0], "/a/b");
        ck_assert_str_eq(spec.files[1], "/c=d");
        ck_assert_str_eq(spec.files[2], "e");
        ck_assert_uint_eq(spec.n_luns, 4);
        ck_assert_uint_eq(parse("file=x+y").n_luns, 2);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("simulator_spec");
        TCase *tcase = tcase_create("simulator_spec");

        tcase_add_loop_test(tcase, a_bad_specification_is_refused_by_key_value_and_what_is_allowed,
                            0, (int) N_ELEMENTS(refusals));
        tcase_add_test(tcase, an_empty_text_is_a_gibibyte_at_super_speed);
        tcase_add_test(tcase, every_key_reaches_its_field);
        tcase_add_test(tcase, an_optical_drive_is_removable_and_read_only_with_blocks_of_2048);
        tcase_add_test(tcase, what_is_said_of_a_drive_reaches_it);
        tcase_add_test(tcase, files_become_luns_in_their_order);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
