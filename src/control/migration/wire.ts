/**
 * The numbers of QEMU's migration stream, version 3. All integers are big-endian.
 *
 *   magic, version | CONFIGURATION | commands, sections | EOF | VMDESCRIPTION
 *   START, FULL: id, name, instance, version, body, footer;   PART, END: id, body, footer
 *
 * Spec: QEMU docs/devel/migration; observed streams of QEMU 7.2 and 11.1.
 */

export const MAGIC = 0x5145564d;
export const STREAM_VERSION = 3;

/** What comes next, a byte. */
export const Mark = {
  Eof: 0x00,
  Start: 0x01,
  Part: 0x02,
  End: 0x03,
  Full: 0x04,
  VmDescription: 0x06,
  Configuration: 0x07,
  Command: 0x08,
  Footer: 0x7e,
} as const;

export const Command = {
  OpenReturnPath: 1,
  Ping: 2,
  PostcopyAdvise: 3,
  PostcopyListen: 4,
  PostcopyRun: 5,
  PostcopyRamDiscard: 6,
  Packaged: 7,
  PostcopyResume: 9,
  RecvBitmap: 10,
  SwitchoverStart: 11,
} as const;

/** Low bits of the address in a RAM record. */
export const RamFlag = { Zero: 0x02, MemSize: 0x04, Page: 0x08, Eos: 0x10, Continue: 0x20 } as const;
export const RAM_FLAGS_MASK = 0xfff;
export const RAM_SECTION = { name: "ram", version: 4 } as const;

/** Messages from the destination. */
export const ReturnMessage = { Shut: 1, Pong: 2, ReqPagesId: 3, ReqPages: 4, RecvBitmap: 5, ResumeAck: 6 } as const;

/** What a destination answers when it is ready to go on; the end of a bitmap of received pages. */
export const RESUME_ACK = 1;
export const BITMAP_END = 0x0123_4567_89ab_cdefn;
/** Values of PING by which the destination's answers are told apart. */
export const Ping = {
  /** Return path works. */
  Opened: 1,
  /** Everything before the package has come. */
  Discarded: 2,
  /** Last in the package: all devices are loaded. */
  Loaded: 3,
  /** Behind the package. */
  Packaged: 4,
  /** Everything from before the switch to postcopy has come. */
  Drained: 5,
  /** After a reconnection: is the package there? A destination of ours that lacks it answers with `NoPackage`. */
  HasPackage: 0x54_49_4e_00,
  NoPackage: 0x54_49_4e_01,
} as const;

export const PAGE_BYTES = 4096;
