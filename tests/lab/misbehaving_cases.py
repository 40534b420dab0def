"""The table of misbehaviours: options of the gadget, and what they are in words."""

from dataclasses import dataclass, field

# What is read is blocks 2048 to 3071 in pieces of 128 blocks; the third of them is struck.
READ = "opcode=28,lba=2304..2431"
WRITE = "opcode=2a,lba=2304..2431"


@dataclass
class Case:
    name: str
    options: list
    writes: bool = False
    must_be: str = ""  # our outcome, whatever the kernel's is
    strings: dict = field(default_factory=dict)
    bad_block: int = 0  # what our client is to be told
    is_slow: bool = False  # begins first
    number: int = 0

    @property
    def strikes(self):
        return any(option.startswith("--fault=") for option in self.options)


def fault(name, *faults, options=(), **others):
    return Case(name, list(options) + ["--fault=" + text for text in faults], **others)


CASES = [
    Case("well-behaved", [], must_be="right"),
    # Status
    fault("wrong CSW tag", f"tag,{READ}"),
    fault("wrong CSW signature", f"signature,{READ}"),
    fault("phase error", f"phase-error,{READ}"),
    fault("reserved CSW status", f"status:3,{READ}"),
    fault("SCSI's BUSY as CSW status, for 2 s", f"status:8,{READ},for-ms=2000"),
    fault("SCSI's BUSY as CSW status, for ever", f"status:8,{READ},times=always"),
    fault("CSW of 12 bytes", f"csw-size:12,{READ}"),
    fault("missing CSW", f"csw-missing,{READ}"),
    fault("empty packet before the CSW", f"zero-packet,{READ}"),
    fault("residue of a block with all data", f"residue:512,{READ}"),
    fault("residue of a block with all data, always", f"residue:512,{READ},times=always"),
    fault("wrong CSW tag, writing", f"tag,{WRITE}", writes=True),
    fault("phase error, writing", f"phase-error,{WRITE}", writes=True),
    fault("missing CSW, writing", f"csw-missing,{WRITE}", writes=True),
    # Stalls
    fault("stall of the CBW", f"stall-command,{READ}"),
    fault("stall of the data, none of it sent", f"stall-data:0,{READ}"),
    fault("stall of the data after 8 KiB", f"stall-data:8192,{READ}"),
    fault("stall of the CSW", f"stall-status,{READ}"),
    fault("stall of the data, writing", f"stall-data:8192,{WRITE}", writes=True),
    fault("stall of the CSW, writing", f"stall-status,{WRITE}", writes=True),
    # Lengths
    fault("a block too little, told", f"short:512,{READ}"),
    fault("a block too little, untold", f"short-untold:512,{READ}"),
    fault("a block too little, untold, always", f"short-untold:512,{READ},times=always"),
    fault("100 bytes too much", f"long:100,{READ}"),
    fault("a packet too much", f"long:1024,{READ}"),
    fault("CSW in place of the data", f"skip-data,{READ}"),
    # Silence
    fault("silence after the CBW", f"hang-command,{READ}"),
    fault("silence in the data", f"hang-data,{READ}"),
    fault("silence in place of the CSW", f"hang-status,{READ}"),
    fault("silence in the data, writing", f"hang-data,{WRITE}", writes=True),
    fault("silence in place of the CSW, writing", f"hang-status,{WRITE}", writes=True),
    fault("silence, and the class reset is refused", f"hang-status,{READ}", "stall-reset,times=always"),
    fault("silence at each try", f"hang-command,{READ},times=always", is_slow=True),
    # The cable
    fault("unplugged for 2 s", f"disconnect:2000,{READ}", must_be="right"),
    fault("unplugged for good", f"disconnect:0,{READ}"),
    # Sense
    fault("medium error with INFORMATION", "medium-error:2310,times=always", bad_block=2310),
    fault("medium error without INFORMATION", "medium-error-bare:2310,times=always"),
    fault("medium error, once", "medium-error:2310"),
    fault("HARDWARE ERROR, once", f"sense:4/44/00,{READ}"),
    fault("HARDWARE ERROR, for ever", f"sense:4/44/00,{READ},times=always", is_slow=True),
    fault("ABORTED COMMAND, once", f"sense:b/00/00,{READ}"),
    fault("three UNIT ATTENTIONs", f"sense:6/29/00,{READ},times=3"),
    fault("UNIT ATTENTION for ever", f"sense:6/29/00,{READ},times=always", is_slow=True),
    fault("becoming ready for 10 s", f"sense:2/04/01,{READ},for-ms=10000"),
    fault("becoming ready for ever", f"sense:2/04/01,{READ},times=always", is_slow=True),
    # Before the first read
    fault("becoming ready for 5 s at first", "sense:2/04/01,opcode=00,for-ms=5000"),
    fault("five UNIT ATTENTIONs at first", "sense:6/29/00,times=5"),
    fault("medium changed for 3 s at first", "sense:6/28/00,for-ms=3000"),
    fault("INQUIRY: wrong tag", "tag,opcode=12"),
    fault("INQUIRY: stall of the data", "stall-data:0,opcode=12"),
    fault("INQUIRY of 5 bytes", "short:31,opcode=12,times=always"),
    fault("INQUIRY: silence", "hang-command,opcode=12", is_slow=True),
    fault("READ CAPACITY: phase error", "phase-error,opcode=25"),
    fault("READ CAPACITY: missing CSW", "csw-missing,opcode=25"),
    fault("MODE SENSE refused by a stall of the CBW", "stall-command,opcode=1a"),
    fault("GET MAX LUN: stall", "stall-max-lun,times=always", must_be="right"),
    fault("GET MAX LUN: silence", "hang-max-lun:12000", is_slow=True, must_be="right"),
    Case("MAX LUN is 15, there is only one", ["--max-lun=15"], must_be="right"),
    Case("MAX LUN is 15, all are the same", ["--max-lun=15", "--alias-luns"], must_be="right"),
    Case("MAX LUN is 255", ["--max-lun=255"], must_be="right"),
    # CBI
    Case("CBI", ["--protocol=cbi"]),
    Case("CBI, writing", ["--protocol=cbi"], writes=True),
    Case("CBI with UFI", ["--protocol=ufi"]),
    Case("CBI with UFI, writing", ["--protocol=ufi"], writes=True),
    fault("CBI: stall of the data", f"stall-data:8192,{READ}", options=["--protocol=cbi"]),
    fault("CBI: phase error", f"phase-error,{READ}", options=["--protocol=cbi"]),
    fault("CBI: HARDWARE ERROR, once", f"sense:4/44/00,{READ}", options=["--protocol=cbi"]),
    fault("CBI: silence in place of the status", f"hang-status,{READ}", options=["--protocol=cbi"]),
    fault("UFI: HARDWARE ERROR, once", f"sense:4/44/00,{READ}", options=["--protocol=ufi"]),
    fault("UFI: silence after the command", f"hang-command,{READ}", options=["--protocol=ufi"]),
    # What it says of itself
    Case("capacity of one block", ["--last-lba-10=0", "--last-lba-16=0"]),
    Case("capacity of 2^32 - 1 blocks, both forms", ["--last-lba-10=0xfffffffe", "--last-lba-16=0xfffffffe"]),
    Case("capacity beyond 32 bits, the long form tells 101 blocks", ["--last-lba-10=0xffffffff", "--last-lba-16=100"]),
    Case("capacity of 2^64 blocks", ["--last-lba-10=0xffffffff", "--last-lba-16=0xffffffffffffffff"]),
    Case("blocks of 0 bytes", ["--block-size=0"]),
    Case("blocks of 3 bytes", ["--block-size=3"]),
    Case("blocks of 1 GiB", ["--block-size=0x40000000"]),
    Case("garbage in INQUIRY and all pages", ["--garbage"], must_be="right"),
    Case(
        "another product after each reset",
        ["--changing-identity", f"--fault=hang-status,{READ}", "--fault=stall-reset,times=always"],
    ),
    Case(
        "control characters in its strings",
        [],
        must_be="right",
        strings={"manufacturer": "a\x01b\x7f/../\u202e", "product": "\u00e9" * 60},
    ),
]

for number, case in enumerate(CASES):
    case.number = number
