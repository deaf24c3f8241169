/* format.h - the trace file, byte by byte: the only contract between a traced process and the
 * tools.
 *
 * One file per process. Everything is little-endian. The file is written in place through shared
 * mappings, so what was written before a SIGKILL is there to read.
 *
 *     0          4096         4096+64K      4096+128K
 *     | header   | block 0    | block 1     | block 2 ...        (every block 64 KiB)
 *
 * BLOCKS. Each block belongs to one lane: a sequence of records that one thread at a time appends
 * to. Lane 0 is the info lane, lane 1 the stack lane, lanes 2.. are event lanes (one for each
 * thread that is alive at the same time; a new thread continues the lane of a dead one behind a
 * THREAD record). A lane's blocks are found by scanning the file for its lane number; `sequence`
 * counts them 0, 1, 2... A block never holds half a record. A block whose magic is zero is free:
 * preallocated and never used, or about to be used again.
 *
 *     struct trace_block_header (72 bytes) | payload: records | zero bytes to 64 KiB
 *
 * A closed block (`used` != 0) has exactly `used` payload bytes and their checksum. An open one
 * (the process runs or was killed) has used == 0: its records end at the first record whose first
 * byte is zero. A writer stores the first byte of a record last, so no torn record is ever seen.
 *
 * RING. With header.lane_blocks_most L, each event lane has at most L blocks; with
 * header.blocks_most B, the file has at most B. A lane that needs one more takes a closed block of
 * an event lane, the oldest (its own, if L is reached); where all blocks are open or of other lanes
 * the file gets one more than B. So event lanes may begin at a sequence > 0;
 * header.events of the first block says how many events came before it. A block that is taken
 * becomes open (used = 0: all its records are there still), free (magic = 0), zeroed, and then
 * somebody's next one, in this order: whenever the process is killed, each block is a whole one or
 * none. The info lane is never written over. What it would get again and again (trace_info_recurs)
 * is in a ring in a lane of the same records, TRACE_LANE_TIMELINE. It has a quarter of B blocks at
 * most, L, and 256, but two, and the stack lane a quarter of B and 256, but two; from then on they
 * write over their own oldest. What is needed to read the newest events is written again before
 * half of what is there has been written over: the MODULE records of what is loaded, as they were;
 * and the nodes of all frames that are met, from a new tree, none of whose parents is in the old.
 *
 * NUMBERS. uvarint: 7 bits a byte, lowest first, high bit = more follows; at most 10 bytes.
 * svarint: zigzag, (n << 1) ^ (n >> 63), as uvarint.
 *
 * EVENT LANES. First byte = op | argument << 3 (op 0..7, argument 0..31), then the fields below.
 * Both sides keep this state, which starts anew (all zero) in every block:
 *     stacks[64]     stack ids; slot of id s: trace_slot(s)
 *     sizes[64]      last size asked under the stack in the same slot
 *     alloc_at[64]   last address handed out for the same size: slot trace_slot(size)
 *     freed_at       last address in a FREE whose argument was 0
 *     recent[32]     addresses handed out lately; slot of address a: trace_recent_slot(a)
 *     time_ns        starts as the block header's time_ns
 *     epoch          starts as the block header's epoch
 * Addresses are stored as (a >> header.address_shift), here called units.
 *
 *  op 0 NEAR     an ALLOC or a FREE in fields of fixed length, little work to write.
 *     place: 3 bytes where argument bit 1 is set, else 5: the address is header.near_units + place
 *     argument 1 or 3: FREE: place
 *     argument bit 4: ALLOC: [slot: 1 byte], size (2 bytes), place; bits 2 and 3 as below
 *              bit 0: there is a slot, below 64: the stack is stacks[slot]. Then sizes[slot] = size
 *              and recent[trace_recent_slot(units)] = units. Else no stack
 *     Nothing else of the state above is used or changed. (Bits 0 and 1 are new in version 3; all
 *     else is as in version 2.)
 *  op 1 ALLOC    stack, size, address, [log2 of the alignment: 1 byte]
 *     argument bit 0: size is not stored: it equals sizes[slot of the stack]
 *              bit 1: the alignment byte is present (alignment above 16 asked for)
 *              bit 2: zeroed (calloc);  bit 3: C++ operator new
 *     stack    uvarint: below 64: the id in stacks[that slot]; else id + 64. Then stacks[slot]=id.
 *     size     uvarint, bytes asked; sizes[slot of the stack] = size
 *     address  svarint: units - alloc_at[slot of the size]; alloc_at[..] = units;
 *              then recent[trace_recent_slot(units)] = units
 *  op 2 FREE     argument n != 0: the address is recent[n], nothing follows (slot 0 is not used)
 *                argument 0: svarint units - freed_at; freed_at = units
 *  op 3 REALLOC  svarint old units - freed_at; freed_at = old units; then stack, size, address as
 *     in ALLOC, argument bits as in ALLOC; bit 4: stayed in place (no address stored, it is the
 *     old one; alloc_at and recent are updated all the same). One move: old dies, new is born.
 *  op 4 SYNC     uvarint epoch - last epoch of the lane (> 0): a segment begins. See ORDER.
 *  op 5 TIME     uvarint nanoseconds since the lane's last time. Sets the clock of what follows.
 *  op 6 THREAD   argument 1: a thread starts in this lane: uvarint tid. argument 2: it ended.
 *                argument 3: its name: uvarint length, bytes.
 *  op 7 OTHER    argument = kind; uvarint length, that many bytes (a reader skips unknown kinds)
 *     kind 1 FAILED: uvarint stack id, uvarint size: an allocation that returned NULL
 *     kind 2 DROPPED: uvarint count: that many events were lost at this place
 *     kinds 3.. see TRANSACTIONS
 *
 * A record of a thread stands behind (after) its allocation and before its free. Frees of addresses
 * never seen are of blocks older than the trace.
 *
 * ORDER between lanes. SYNC records cut a lane into segments. A segment begins with the epoch of
 * the SYNC before it, the lane's first one with that of its block header. All segments of all
 * lanes, one after another by the epochs they begin with, are a legal history of the whole process:
 * every death follows the birth of its object and precedes the next birth at its address. For this
 * a writer draws epochs from one counter at two places; to draw more does no harm:
 *
 *  S1 After it took objects from where other threads give some, before it records a birth of them.
 *
 *  S2 Before it records a death, unless it knows that the life was born in its own lane, or that no
 *     lane has drawn since its own did.
 *
 * A writer that does not hear of S1 draws before every birth.
 *
 * Proof. Births and deaths at one address, b1 d1 b2 d2 ..., happen one after another, since a birth
 * is recorded before the program has the block and a death before the heap has it back; and draws
 * that happen one after another have growing epochs. Take two neighbours in different lanes. d
 * after b: by S2 the segment of d begins with an epoch drawn after b, hence after the one that b's
 * segment begins with; or with the newest one, when b's segment had begun. b after d: the block was
 * taken from where another thread gave it; by S1 the segment of b begins with an epoch drawn after
 * d. Neighbours in one lane are in order by themselves. Lives whose birth is not recorded (older
 * than the trace, lost) count as foreign.
 *
 * SAMPLES. With header.sample_period P, points lie on the bytes that each thread asks for (0 are 1)
 * as a Poisson process with one point in P bytes; an allocation is recorded when a point lies in
 * it, so with the chance 1 - exp(-size / P), whatever else is recorded. It then stands for the
 * inverse of that chance. A realloc counts as a free and an allocation of the
 * new size, unless the hot path leaves the block where it is. FAILED allocations are all there.
 * FREE records are there for all recorded blocks and for some others, which a reader passes over.
 *
 * TRANSACTIONS. Kinds of OTHER; each says first of which transaction, by a uvarint: 1, 2, 3... by
 * beginning, never used again. Then, uvarints unless named otherwise:
 *     kind 3 TXN_BEGIN: number of its parent (0: none, or one that is older than the trace), stack
 *         id, bytes expected, name (rest)
 *     kind 4 TXN_ALLOC: stack id, size, log2 of the alignment: a block. It has no address: nobody
 *         frees it
 *     kind 5 TXN_SAVE: a mark is set
 *     kind 6 TXN_BACK: n: all blocks but its n oldest end; those that a committed child brought are
 *         as old as the commit. It is rolled back to its newest mark that had n blocks, or less
 *         where nothing was allocated meanwhile
 *     kind 7 TXN_END: enum trace_txn_end, then blocks, used (bytes, with the gaps between them),
 *         reserved (of its chunks), malloced, escaped: of malloc's blocks, see TXN_ENTER, those
 * that outlive it. COMMITTED with a parent: its blocks are the parent's from now on, the newest;
 *         else they end. Open children have ended before
 *     kind 8 TXN_ENTER: bytes: from now on this thread's ALLOC and REALLOC of up to so many bytes
 *         come out of that transaction. Number 0: out of none (that the trace knows)
 *     kind 9 TXN_ADOPT: it is this thread's from now on
 * The blocks of malloc that come out of a transaction are ALLOC, REALLOC and FREE like any. SYNC
 * stands before a record whose transaction, or whose parent as far as it is used (it begins a
 * child, or has one ended), had its last one in another lane: ORDER holds for them as for blocks.
 * None is in a trace of samples. TXN_ALLOC counts as an event.
 *
 * STACK LANE. A tree of frames; node ids are implied: 1, 2, 3... in file order, the first one of a
 * block is its header.events + 1; id 0 = no stack.
 *     uvarint (own id - parent id) << 1 | is_exact (parents come first; parent 0 = outermost frame)
 *     svarint ip - ip of the previous record of this block (0 at the start of a block)
 * ip is a return address (look up ip - 1), or, exact, where a signal interrupted the function.
 *
 * INFO LANE. u8 type, uvarint length, payload. Types: enum trace_info. Strings are not terminated.
 *
 * AREAS. All mappings of the process with what is resident of them, now and then; at the same
 * time_ns stands a SAMPLE. One table is several records if need be, the last one marked. Payload:
 * uvarint time_ns, u8 reason, u8 enum trace_areas_bits; then areas up to its end, each: u8 kind,
 * svarint (start - end of the area before it in this record, 0 at first), uvarint length; then for
 * OWN: uvarint resident + 1 or 0: not counted; for all others: uvarints resident, anonymous (the
 * part of it that is in no file), swapped; uvarint 0: no name, 1: the last one in this record, else
 * its length + 1, name. All in units of 4096 bytes. OWN areas come first and lie inside others,
 * which may be several mappings joined by the kernel.
 *
 * UNWRITTEN. A block of calloc that was looked at before its end, or at the trace's. Payload: u8
 * enum trace_unwritten_bits, uvarints time_ns, stack id of its birth, bytes asked, how many of
 * these lie in pages that nobody ever touched, and how many in other pages that hold nothing but
 * zeros (of these the first 16384 are read). Of all events blocks above TRACE_UNWRITTEN_ABOVE bytes
 * are looked at, of samples any; never those that realloc met, nor when looking takes too much of
 * the time.
 */
#ifndef MPRESS_TRACER_FORMAT_H
#define MPRESS_TRACER_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/format_heap.h"     /* what CLASSES, LATENCY and LEAKS hold */
#include "tracer/format_numbers.h"  /* NUMBERS, and the checksum of a payload */
#include "tracer/format_pressure.h" /* what TRACE_INFO_PRESSURE holds */

#define TRACE_MAGIC UINT64_C(0x31454341525450ef) /* bytes ef 50 54 52 41 43 45 31: ".PTRACE1" */
#define TRACE_BLOCK_MAGIC UINT32_C(0x4b4c426d)   /* bytes "mBLK" */
#define TRACE_VERSION 3U
#define TRACE_VERSION_OLDEST 2U /* that is read; see NEAR */

enum {
    TRACE_HEADER_BYTES = 4096,
    TRACE_BLOCK_BYTES = 64 * 1024,
    TRACE_BLOCK_HEADER_BYTES = 72,
    TRACE_PAYLOAD_BYTES = TRACE_BLOCK_BYTES - TRACE_BLOCK_HEADER_BYTES,
    TRACE_LANE_INFO = 0,
    TRACE_LANE_STACKS = 1,
    TRACE_LANE_EVENTS = 2, /* the first of the event lanes; one for each thread alive at once, */
    TRACE_LANES_MOST = 1 << 22, /* and Linux has no more process ids */
    TRACE_SLOTS = 64,
    TRACE_RECENT_SLOTS = 32,
    TRACE_NAME_BYTES = 16,
    TRACE_TXN_NAME_BYTES = 64,  /* of transactions; longer ones are cut */
    TRACE_EVENT_BYTES_MAX = 64, /* no record of ops 0..6 is longer, names apart (16 bytes) */
};

#define TRACE_LANE_TIMELINE UINT32_C(0xfffffffe) /* of rings only */

enum trace_op {
    TRACE_NEAR = 0,
    TRACE_ALLOC = 1,
    TRACE_FREE = 2,
    TRACE_REALLOC = 3,
    TRACE_SYNC = 4,
    TRACE_TIME = 5,
    TRACE_THREAD = 6,
    TRACE_OTHER = 7,
};

enum trace_near {
    TRACE_NEAR_FREE = 1,
    TRACE_NEAR_STACK = 1, /* with ALLOC */
    TRACE_NEAR_SHORT = 2,
    TRACE_NEAR_ALLOC = 16,
    TRACE_NEAR_PLACE_BYTES = 5,
    TRACE_NEAR_SHORT_BYTES = 3, /* of a place that is SHORT */
    TRACE_NEAR_SIZE_BYTES = 2,
};

enum trace_alloc_bits {
    TRACE_SIZE_KNOWN = 1,
    TRACE_ALIGNED = 2,
    TRACE_ZEROED = 4,
    TRACE_CPP = 8,
    TRACE_IN_PLACE = 16,
};

enum trace_thread_kind { TRACE_THREAD_START = 1, TRACE_THREAD_END = 2, TRACE_THREAD_NAME = 3 };
enum trace_other_kind {
    TRACE_FAILED = 1,
    TRACE_DROPPED = 2,
    TRACE_TXN_BEGIN = 3,
    TRACE_TXN_ALLOC = 4,
    TRACE_TXN_SAVE = 5,
    TRACE_TXN_BACK = 6,
    TRACE_TXN_END = 7,
    TRACE_TXN_ENTER = 8,
    TRACE_TXN_ADOPT = 9,
};

/* How a transaction ended. */
enum trace_txn_end {
    TRACE_TXN_COMMITTED = 0,
    TRACE_TXN_ROLLED_BACK = 1,
    TRACE_TXN_ABANDONED = 2, /* its parent or its thread had ended */
};

enum trace_info {
    TRACE_INFO_COMMAND = 1,  /* the command line: arguments, each ended by a NUL byte */
    TRACE_INFO_EXE = 2,      /* path of the executable */
    TRACE_INFO_MODULE = 3,   /* uvarints time_ns when it was seen first and the id of the last stack
                              * node of that moment (later ones may lie in it), u64 bias (load address
                              * - link address), u64 start, u64 end (mapped range), u8 n, n bytes of
                              * build-id, path (rest); in rings the same again, see RING */
    TRACE_INFO_UNMODULE = 4, /* uvarints time_ns, last stack node; u64 start: the module that began
                              * there is gone, no later node lies in it */
    TRACE_INFO_SAMPLE = 5,   /* struct trace_sample */
    TRACE_INFO_MARK = 6,     /* uvarint time_ns, label */
    TRACE_INFO_END = 8,      /* struct trace_end: nothing is written behind it */
    TRACE_INFO_CWD = 9,      /* working directory at start */
    TRACE_INFO_MAPPED = 10,  /* u8 bits (enum trace_mapped_bits), then uvarints: time_ns, stack id,
                              * address, bytes, protection and flags as mmap takes them. The program
                              * or one of its libraries mapped that range, over what was there */
    TRACE_INFO_UNMAPPED = 11,  /* uvarints time_ns, address, bytes: nothing is there any more */
    TRACE_INFO_AREAS = 12,     /* see AREAS */
    TRACE_INFO_COSTS = 13,     /* struct trace_costs; right before END */
    TRACE_INFO_SIGNAL = 14,    /* struct trace_signal, u8: 1 if it interrupted the recorder itself;
                                * then `stack` is the last that was known of the thread */
    TRACE_INFO_PRESSURE = 15,  /* struct trace_pressure */
    TRACE_INFO_CLASSES = 16,   /* format_heap.h */
    TRACE_INFO_LATENCY = 17,   /* format_heap.h */
    TRACE_INFO_UNWRITTEN = 18, /* see UNWRITTEN */
    TRACE_INFO_LEAKS =
        32, /* struct trace_leaks; the LOST records since the one before belong to it */
    TRACE_INFO_LOST = 33, /* blocks that are not TRACE_LEAK_REACHABLE, each a uvarint:
                           * zigzag(address >> 4, less that of the entry before in this record)
                           * << 2 | enum trace_leak */
};

/* Addresses of MAPPED and UNMAPPED are in bytes. Both are written in an order that can have
 * happened: UNMAPPED before the call, MAPPED after it. */
enum trace_mapped_bits {
    TRACE_MAPPED_MOVED = 1,    /* by mremap: protection and flags are those of before, 0 is here */
    TRACE_MAPPED_RESTORED = 2, /* the call failed that an UNMAPPED announced; 0 as above */
    TRACE_MAPPED_BREAK = 4,    /* by brk or sbrk */
};

/* Who has an area; see AREAS. */
enum trace_area_kind {
    TRACE_AREA_OWN = 1,   /* a range of the library itself: heap and tracer */
    TRACE_AREA_ANONYMOUS, /* private memory of the program, of libc, or of the library */
    TRACE_AREA_BREAK,     /* between the executable and the program break */
    TRACE_AREA_STACK,     /* of a thread */
    TRACE_AREA_FILE,   /* of a file, executables and libraries too, with what was written there */
    TRACE_AREA_SHARED, /* shared memory that is in no file */
    TRACE_AREA_TRACE,  /* the trace's own file */
    TRACE_AREA_SYSTEM, /* the kernel's: vdso and the like */
    TRACE_AREA_KINDS,
};

enum trace_unwritten_bits { TRACE_UNWRITTEN_ALIVE = 1 }; /* it is the trace that ends */

enum { TRACE_UNWRITTEN_ABOVE = 256 * 1024 };

/* Of a record of a table. */
enum trace_areas_bits { TRACE_AREAS_LAST = 1, TRACE_AREAS_FIRST = 2 };

enum trace_areas_reason {
    TRACE_AREAS_GROWN = 1, /* more was resident than ever before, by a quarter */
    TRACE_AREAS_MARK,      /* the program set a mark */
    TRACE_AREAS_END,       /* the trace ends */
};

struct trace_header {
    uint64_t magic;         /* TRACE_MAGIC */
    uint32_t version;       /* TRACE_VERSION */
    uint32_t header_bytes;  /* TRACE_HEADER_BYTES */
    uint32_t block_bytes;   /* TRACE_BLOCK_BYTES */
    uint32_t address_shift; /* 4, or 3 under an allocator that aligns to 8 */
    uint32_t page_bytes;
    uint32_t has_stacks; /* 1: ALLOC records carry stack ids */
    uint64_t pid;
    uint64_t parent_pid;
    uint64_t start_wall_ns; /* CLOCK_REALTIME at start, ns since 1970 */
    uint64_t start_ns;      /* CLOCK_MONOTONIC at start; all times of the file are of this clock */
    uint64_t forked;        /* 1: the child of a fork: blocks of its parent are alive, unrecorded */
    uint64_t blocks;        /* blocks handed out so far; a hint: scan the file */
    char library[64];       /* version of the library and its heap, NUL-terminated */
    uint64_t
        sample_period; /* mean bytes between two samples; 0: every event is there. See SAMPLES */
    uint32_t lane_blocks_most; /* of one event lane; 0: any number. See RING */
    uint32_t blocks_most;      /* of the file; 0: any number */
    uint64_t copied_ns;        /* this is a copy of a trace that went on, made then; 0: it is not */
    uint64_t process_start;    /* of the process, in ticks since the system's start; exec keeps pid
                                * and this; 0: not known */
    uint64_t forked_ns;        /* when its parent forked it; 0: it did not come by a fork that was
                                * seen */
    uint64_t parent_trace_ns; /* start_ns of the trace that the parent wrote then, or the nearest of
                               * those before it that wrote one; 0: none did */
    uint64_t previous_trace_ns; /* start_ns of the trace before, of the same process, in which it
                                 * was another program or was traced already; 0: none was found */
    uint64_t near_units;        /* what the places of NEAR records are counted from */
    uint64_t copied_epoch;      /* of a copy: drawn before it was begun; segments with later ones
                                 * lack what came before them, and are to be left out; 0: none */
};

struct trace_block_header {
    uint32_t magic; /* TRACE_BLOCK_MAGIC, written last */
    uint32_t lane;
    uint32_t sequence; /* of this lane */
    uint32_t used;     /* payload bytes once closed; 0 while open */
    uint64_t checksum; /* trace_checksum(payload, used) once closed */
    uint64_t time_ns;  /* when the block was opened */
    uint64_t epoch;    /* last epoch of the lane before this block */
    uint64_t events;   /* of the lane before this block */
    uint32_t tid;      /* of the thread whose records go on here; 0: none, its START follows */
    uint32_t reserved;
    char name[TRACE_NAME_BYTES]; /* of that thread, as far as recorded; NUL-terminated */
};

/* A look at the heap and at the process; bytes unless named otherwise. The terms are those of the
 * README's definitions: resident heap = asked + internal + external + cached + dirty + meta. */
struct trace_sample {
    uint64_t time_ns;
    uint64_t live;          /* usable bytes of the blocks the program holds */
    uint64_t live_objects;  /* count */
    uint64_t external;      /* free objects inside partly used slabs */
    uint64_t cached;        /* in magazines and depots */
    uint64_t dirty;         /* free spans not given back */
    uint64_t meta;          /* resident bookkeeping of the allocator */
    uint64_t tracer;        /* resident memory of the tracer itself */
    uint64_t largest_free;  /* largest free span of the unit heap */
    uint64_t total_free;    /* all its free spans below the frontier */
    uint64_t rss;           /* resident set of the process; 0: not known */
    uint64_t rss_anon;      /* its anonymous part; 0: not known */
    uint64_t known;         /* enum trace_known: which of the following are; the others are 0 */
    uint64_t rss_file;      /* the part of rss that is of files */
    uint64_t rss_shmem;     /* the part that is shared memory in no file */
    uint64_t swap;          /* of the process, swapped out */
    uint64_t available;     /* to new programs without swapping, in the whole system */
    uint64_t group;         /* used by the control group */
    uint64_t group_max;     /* its limit; 0: none */
    uint64_t some_ns;       /* for so long some task of the system had to wait for memory, in all */
    uint64_t full_ns;       /* all of them */
    uint64_t group_some_ns; /* the same of the control group */
    uint64_t group_full_ns;
    uint32_t some_percent_100; /* the share of the last ten seconds, in hundredths of a percent */
    uint32_t full_percent_100;
    uint32_t group_some_percent_100;
    uint32_t group_full_percent_100;
};

enum trace_known {
    TRACE_KNOWS_PARTS = 1, /* rss_file, rss_shmem, swap */
    TRACE_KNOWS_AVAILABLE = 2,
    TRACE_KNOWS_PRESSURE = 4,
    TRACE_KNOWS_GROUP = 8,
    TRACE_KNOWS_GROUP_PRESSURE = 16,
};

/* A signal that ends the process, or would have (flight recorder only). */
struct trace_signal {
    uint64_t time_ns;
    uint64_t address; /* that was touched, if the signal tells of a fault */
    int32_t number;
    int32_t code; /* si_code: above 0 a fault, else somebody sent it */
    uint32_t tid;
    uint32_t stack; /* node id: what was interrupted lies under the frame of the signal */
};

/* Totals of the whole file, counted by the writer: a reader proves completeness with them. */
struct trace_end {
    uint64_t time_ns;
    uint64_t events;  /* ALLOC, FREE, REALLOC, FAILED and TXN_ALLOC records */
    uint64_t dropped; /* events lost; 0 unless dropping was asked for or the disk was full */
    uint64_t nodes;   /* stack nodes */
    uint64_t lanes;   /* lanes used, info and stack lane included */
    uint64_t blocks;
    uint64_t overhead_ns; /* time spent recording, estimated by sampling; 0: not measured */
    uint64_t reason;      /* enum trace_end_reason */
    uint64_t gone_events; /* of `events`, those of lanes that have no block any more (RING), */
    uint64_t gone_ns;     /* and when the last of them was over; 0: none has gone */
};

/* What the trace cost the program, counted by the writer; see trace_end.overhead_ns too. */
struct trace_costs {
    uint64_t samples;
    uint64_t samples_ns; /* time they took */
    uint64_t tables;     /* of areas */
    uint64_t tables_ns;
    uint64_t walks;        /* call stacks looked at */
    uint64_t proven;       /* frames of them that were found to be as before */
    uint64_t stepped;      /* frames that were walked again, */
    uint64_t by_libunwind; /* of these, by libunwind; as the next, since the first trace of all */
    uint64_t learned;      /* code addresses whose rule was learned */
    uint64_t mappings;     /* MAPPED and UNMAPPED records */
};

enum trace_end_reason { TRACE_END_EXIT = 1, TRACE_END_STOPPED = 2, TRACE_END_DISK = 3 };

_Static_assert(sizeof(struct trace_block_header) == TRACE_BLOCK_HEADER_BYTES, "file format");
_Static_assert(sizeof(struct trace_header) == 216, "file format");
_Static_assert(sizeof(struct trace_sample) == 200, "file format");
_Static_assert(sizeof(struct trace_costs) == 80, "file format");
_Static_assert(sizeof(struct trace_end) == 80, "file format");
_Static_assert(sizeof(struct trace_signal) == 32, "file format");

static inline bool trace_lane_has_events(uint32_t lane)
{
    return lane >= TRACE_LANE_EVENTS && lane != TRACE_LANE_TIMELINE;
}

static inline size_t trace_near_place_bytes(unsigned argument)
{
    return (argument & TRACE_NEAR_SHORT) != 0 ? TRACE_NEAR_SHORT_BYTES : TRACE_NEAR_PLACE_BYTES;
}

static inline bool trace_near_has_stack(unsigned argument)
{
    return (argument & TRACE_NEAR_ALLOC) != 0 && (argument & TRACE_NEAR_STACK) != 0;
}

static inline bool trace_lane_has_info(uint32_t lane)
{
    return lane == TRACE_LANE_INFO || lane == TRACE_LANE_TIMELINE;
}

/* Whether records of the type are without number; in rings they are in the timeline. */
static inline bool trace_info_recurs(unsigned type)
{
    return type == TRACE_INFO_MODULE || type == TRACE_INFO_UNMODULE ||
           type == TRACE_INFO_PRESSURE || type == TRACE_INFO_SAMPLE || type == TRACE_INFO_MARK ||
           type == TRACE_INFO_MAPPED || type == TRACE_INFO_UNMAPPED || type == TRACE_INFO_AREAS ||
           type == TRACE_INFO_UNWRITTEN || type == TRACE_INFO_LEAKS || type == TRACE_INFO_LOST;
}

/* Slot of a stack id or a size: Fibonacci hashing (Knuth, TAOCP 3, 6.4). */
static inline unsigned trace_slot(uint64_t key)
{
    return (unsigned)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 58);
}

/* Slot 1..31 of an address in units; slot 0 is never used. */
static inline unsigned trace_recent_slot(uint64_t units)
{
    unsigned slot = (unsigned)((units * UINT64_C(0x9E3779B97F4A7C15)) >> 59);
    return slot != 0 ? slot : 1;
}

#endif
