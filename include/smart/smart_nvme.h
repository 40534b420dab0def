#pragma once

/*
 * SmartNvme
 *
 * The answers of NVMe drives (NVM Express 1.4), decoded into SmartData. Each decoder notes in its
 * section what it returns.
 */

#include "smart/smart_data.h"

/* What is looked at of an answer of 4096 bytes; there are bridges that carry no more. */
#define SMART_NVME_IDENTITY_SIZE 512
#define SMART_NVME_HEALTH_SIZE 512
#define SMART_NVME_SELF_TESTS_SIZE 564
#define SMART_NVME_SELF_TEST_SIZE 28 /* one of its entries, behind a header of 4 */
#define SMART_NVME_ERROR_SIZE 64

/* Identify Controller. */
SmartAnswer smart_nvme_decode_identity(SmartData *data, const uint8_t *bytes, size_t size);
/* Log page 02h, of the controller as a whole. */
SmartAnswer smart_nvme_decode_health(SmartData *data, const uint8_t *bytes, size_t size);
/* Log page 06h; it may end with any entry. */
SmartAnswer smart_nvme_decode_self_tests(SmartData *data, const uint8_t *bytes, size_t size);
/* Log page 01h, one entry or more. */
SmartAnswer smart_nvme_decode_error_log(SmartData *data, const uint8_t *bytes, size_t size);
