#!/usr/bin/python3
"""What was counted and measured: the same on the bus and as metrics, which another project's parser understands."""

import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

# pylint: disable=wrong-import-position
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from private_bus import NAME, ROOT, STRANGER, connect, expect_failure, private_bus, skip_unless_root, wait_until
from results import Results

DEVICE = f"{ROOT}/devices/sim0"
LUN = f"{DEVICE}/lun0"
N_WRITES = 8
OPERATIONS = ("read", "write", "flush", "trim", "write-zeroes", "cache-hit", "cache-miss", "scsi", "transport")


class Checks:
    def __init__(self, bus):
        self.bus = bus
        self.root = bus.caller()
        self.stranger = bus.caller(STRANGER)
        wait_until(lambda: self.root.get("Manager", "NExports") == 3, "all is exported")
        handle = connect(bus, "1209-0001-BUSY-lun0")
        for i in range(N_WRITES):
            handle.pwrite(bytes(4096), i << 16)
        handle.flush()
        handle.pread(4096, 0)
        handle.shutdown()
        wait_until(lambda: self.counters(LUN)["writes_completed"] == N_WRITES, "it was counted")
        wait_until(lambda: self.counters(LUN)["reads_completed"] == 1, "the last was counted")

    def counters(self, path):
        return self.stranger.call("Performance", "GetCounters", path=path)

    def metrics(self):
        """Samples by name and labels."""
        samples = {}
        for family in text_string_to_metric_families(self.stranger.call("Manager", "GetMetrics", "(@a{sv} {},)")):
            for sample in family.samples:
                samples[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
        return samples

    def counters_are_those_of_the_clients(self):
        counters = self.counters(LUN)
        assert counters["written_bytes"] == N_WRITES * 4096 and counters["read_bytes"] == 4096
        assert counters["flush_requests"] == 1 and "write_time_ns" in counters
        assert self.counters(f"{DEVICE}/lun1")["writes_completed"] == 0

    def a_device_counts_all_its_units(self):
        assert self.counters(DEVICE)["writes_completed"] == N_WRITES

    def rates_are_of_three_windows(self):
        rates = self.stranger.call("Performance", "GetRates", path=LUN)
        assert [rate[0] for rate in rates] == [1, 10, 60]
        assert rates[2][3] > 0 and rates[2][4] > 0, rates
        assert 0 <= rates[2][7] <= 1

    def latencies_are_cumulative(self):
        for operation in OPERATIONS:
            buckets, p50, p99, maximum = self.stranger.call(
                "Performance", "GetLatency", f"('{operation}',)", path=LUN
            )
            counts = [count for _, count in buckets]
            bounds = [bound for bound, _ in buckets]
            assert counts == sorted(counts) and bounds == sorted(bounds)
            assert 0 <= p50 <= p99 <= maximum
        buckets, _, _, _ = self.stranger.call("Performance", "GetLatency", "('write',)", path=LUN)
        assert buckets[-1][1] == N_WRITES
        expect_failure(
            "InvalidArgument", self.stranger.call, "Performance", "GetLatency", "('seek',)", path=LUN
        )

    def advice_is_a_list(self):
        for topic, severity, words in self.stranger.call("Performance", "GetAdvice", path=DEVICE):
            assert topic and words and severity in ("low", "medium", "high")

    def properties_that_count_do_so(self):
        scsi = self.stranger.get_all("Scsi", LUN)
        assert scsi["Commands"] > 0 and scsi["Timeouts"] == 0
        cache = self.stranger.get_all("Cache", DEVICE)
        assert cache["Hits"] + cache["Misses"] == 1

    def metrics_are_what_the_bus_tells(self):
        samples = self.metrics()
        labels = (("device", "sim0"), ("lun", "0"))
        assert samples["usb_storage_writes_completed_total", labels] == N_WRITES
        assert samples["usb_storage_written_bytes_total", labels] == N_WRITES * 4096
        assert samples["usb_storage_size_bytes", labels] == 8 << 20
        assert samples["usb_storage_device_state", (("device", "sim1"), ("usb_storage_device_state", "running"))] == 1
        assert samples["usb_storage_power_state_seconds_total", (("device", "sim0"), ("state", "standby"))] == 0
        assert samples["usb_storage_wake_duration_seconds_count", (("device", "sim0"),)] == 0
        histogram = (("device", "sim0"), ("lun", "0"), ("operation", "write"))
        assert samples["usb_storage_request_duration_seconds_count", histogram] == N_WRITES

    def a_format_that_nobody_knows_is_refused(self):
        expect_failure("InvalidArgument", self.stranger.call, "Manager", "GetMetrics", "({'format': <'xml'>},)")
        expect_failure("InvalidArgument", self.stranger.call, "Manager", "GetMetrics", "({'format': <1>},)")
        older = self.stranger.call("Manager", "GetMetrics", "({'format': <'prometheus'>},)")
        assert "# TYPE usb_storage_reads_completed_total counter\n" in older and "# EOF" not in older

    def odd_names_are_no_harm_to_metrics(self):
        names = {dict(labels).get("model") for name, labels in self.metrics() if name == "usb_storage_drive_info"}
        assert 'a"\\b' in names, names

    def a_report_says_what_is_known_and_nothing_secret(self):
        self.bus.set_verdict(f"{NAME}.diagnose", "no")
        expect_failure("NotAuthorized", self.stranger.call, "Device", "Diagnose", "(@a{sv} {},)", path=DEVICE)
        self.bus.set_verdict(f"{NAME}.diagnose", "yes")
        report = self.stranger.call("Device", "Diagnose", "(@a{sv} {},)", path=DEVICE)
        for words in ("1209:0001", "bulk-only", "Unit 0", "Unit 1", "\nPower: ", f"writes_completed: {N_WRITES}"):
            assert words in report, f"{words} is not in {report}"
        assert "BUSY" not in report, report

    def a_report_has_the_last_commands_with_their_time_and_sense(self):
        self.root.call("Scsi", "Command", "(@ay [0x28, 0, 0, 0, 0x20, 0, 0, 0, 1, 0], @ay [], uint32 512, @a{sv} {})",
                           path=LUN)  # fmt: skip
        answer = self.root.call("Scsi", "Command", "(@ay [0x12, 1, 0xee, 0, 255, 0], @ay [], uint32 255, @a{sv} {})", path=LUN)
        assert answer[0] == 2, answer
        report = self.root.call("Device", "Diagnose", "(@a{sv} {},)", path=DEVICE)
        lines = report.split("The last commands:\n")[1].splitlines()
        assert 2 < len(lines) <= 64, report
        match = r"\d+\.\d{3} s ago, unit 0: READ\(10\), block 8192, 512 bytes in: good in \d+\.\d{3} ms \[28 00 00 00 20.*\]"
        assert re.fullmatch(match, lines[-2]), report
        assert "check condition" in lines[-1] and "illegal request" in lines[-1] and "(24/00)" in lines[-1], report

    def a_report_on_a_device_without_a_worker_says_so(self):
        os.kill(self.root.get("Device", "WorkerPid", path=DEVICE), signal.SIGSTOP)
        number = self.root.start("Device", "Diagnose", "(@a{sv} {},)", path=DEVICE)
        os.kill(self.root.get("Device", "WorkerPid", path=DEVICE), signal.SIGKILL)
        assert "The last commands: not known: No such device" in self.root.finish(number)

    def start_trace(self, caller, file):
        caller.call("Device", "StartTrace", "(handle 0, @a{sv} {})", path=DEVICE, file=file)

    def a_stranger_records_if_polkit_lets_him(self):
        file = os.path.join(self.bus.folder, "trace.pcap")
        with open(file, "wb"):
            os.chown(file, STRANGER, STRANGER)
        self.bus.set_verdict(f"{NAME}.trace", "no")
        expect_failure("NotAuthorized", self.start_trace, self.stranger, file)
        expect_failure("NotFound", self.root.call, "Device", "StopTrace", "(@a{sv} {},)", path=DEVICE)
        assert os.path.getsize(file) == 0
        self.bus.set_verdict(f"{NAME}.trace", "yes")
        self.start_trace(self.stranger, file)
        self.root.call("Scsi", "Command", "(@ay [0x12, 0, 0, 0, 36, 0], @ay [], uint32 36, @a{sv} {})", path=LUN)
        n_packets, _ = self.stranger.call("Device", "StopTrace", "(@a{sv} {},)", path=DEVICE)
        assert n_packets > 0 and os.path.getsize(file) > 0

    def nobody_records_who_may_not(self):
        self.bus.set_verdict(f"{NAME}.trace", "no")
        expect_failure("NotAuthorized", self.stranger.call, "Device", "StopTrace", "(@a{sv} {},)", path=DEVICE)
        self.bus.set_verdict(f"{NAME}.trace", "yes")
        expect_failure("NotFound", self.stranger.call, "Device", "StopTrace", "(@a{sv} {},)", path=DEVICE)


def main():
    skip_unless_root()
    results = Results()
    with private_bus() as bus:
        bus.start_polkit()
        bus.start_service(specs=["size=8M,luns=2,serial=BUSY", 'size=1M,serial=ODD,model=a"\\b'])
        checks = Checks(bus)
        for check in (
            checks.counters_are_those_of_the_clients,
            checks.a_device_counts_all_its_units,
            checks.rates_are_of_three_windows,
            checks.latencies_are_cumulative,
            checks.advice_is_a_list,
            checks.properties_that_count_do_so,
            checks.metrics_are_what_the_bus_tells,
            checks.a_format_that_nobody_knows_is_refused,
            checks.odd_names_are_no_harm_to_metrics,
            checks.a_report_says_what_is_known_and_nothing_secret,
            checks.a_report_has_the_last_commands_with_their_time_and_sense,
            checks.a_stranger_records_if_polkit_lets_him,
            checks.nobody_records_who_may_not,
            checks.a_report_on_a_device_without_a_worker_says_so,
        ):
            results.check(check)
    results.finish()


main()
