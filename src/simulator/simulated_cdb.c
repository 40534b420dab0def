/* Where command descriptor blocks keep their addresses: SPC-4, 4.2 and SBC-3, 5. */

#include "simulator/simulated_cdb.h"
#include "base/bytes.h"
#include "base/macros.h"

static bool names_blocks(uint8_t opcode) {
        switch (opcode) {
        case SIMULATED_OPCODE_READ_6:
        case SIMULATED_OPCODE_WRITE_6:
        case SIMULATED_OPCODE_READ_10:
        case SIMULATED_OPCODE_WRITE_10:
        case SIMULATED_OPCODE_VERIFY_10:
        case SIMULATED_OPCODE_SYNCHRONIZE_CACHE_10:
        case SIMULATED_OPCODE_WRITE_SAME_10:
        case SIMULATED_OPCODE_READ_16:
        case SIMULATED_OPCODE_WRITE_16:
        case SIMULATED_OPCODE_VERIFY_16:
        case SIMULATED_OPCODE_SYNCHRONIZE_CACHE_16:
        case SIMULATED_OPCODE_WRITE_SAME_16:
        case SIMULATED_OPCODE_READ_12:
        case SIMULATED_OPCODE_WRITE_12:
                return true;
        default: /* a byte of the host, not an enum */
                return false;
        }
}

bool simulated_cdb_get_range(const uint8_t *cdb, uint64_t *ret_lba, uint64_t *ret_n_blocks) {
        if (!names_blocks(cdb[0]))
                return false;

        switch (cdb[0] >> 5) {
        case 0:
                *ret_lba = get_be24(cdb + 1) & 0x1FFFFF;
                *ret_n_blocks = cdb[4] == 0 ? 256 : cdb[4];
                return true;
        case 1:
        case 2:
                *ret_lba = get_be32(cdb + 2);
                *ret_n_blocks = get_be16(cdb + 7);
                return true;
        case 4:
                *ret_lba = get_be64(cdb + 2);
                *ret_n_blocks = get_be32(cdb + 10);
                return true;
        case 5:
                *ret_lba = get_be32(cdb + 2);
                *ret_n_blocks = get_be32(cdb + 6);
                return true;
        default:
                return false;
        }
}
