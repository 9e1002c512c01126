/**
 * 16550A UART, as QEMU's `serial-mm` stands on the virt board: byte registers at offsets 0 to 7.
 *
 * Out: a guest's write to THR goes to `out` at once. If the port has no room, bytes wait in the shift register and the
 * transmit FIFO, as behind a slow line, until the board calls `transmitRoomMade()`. In: the board asks `canReceive()`, then calls `receive()`; bytes wait in the
 * receive FIFO until the guest reads RBR, which is told to `roomMade`.
 *
 * Spec: National Semiconductor PC16550D (June 1995), section 8 "Registers"; migration: QEMU section "serial" v3.
 * Thread: any, over one state in shared memory, with the device's lock held by the caller.
 * Not modelled: the baud rate and the frame format (kept, without effect); parity and framing errors; modem lines (CTS,
 * DSR and DCD are always on); sending a break; the delay of the receive time-out: below the trigger level the
 * character time-out interrupt comes with the first byte.
 */
import { NO_TRACE, type Trace } from "#core/trace.ts";
import { u16, u32, u64, u8, u8Array, vmstate } from "#core/vmstate.ts";
import { bindState } from "#hw/bus/bound-state.ts";
import { type RegisterBank, registerBank } from "#hw/bus/register-bank.ts";
import type { BoundState, Device, IrqLine, MigrationSection, MmioRegion, StatePlace } from "#hw/bus/types.ts";

/**
 * Takes what the guest sends; false is "no room, call `transmitRoomMade()` later" (a `ByteRing` fits). Called with the
 * device's lock held: it must not wait for a thread that may want this lock.
 */
export type TransmitPort = { push(byte: number): boolean | void };

export type Ns16550aPorts = {
  readonly irq: IrqLine;
  readonly out: TransmitPort;
  /** The guest took received data (or left loopback): `canReceive()` may have grown. Called with the lock held. */
  readonly roomMade?: () => void;
  readonly trace?: Trace;
};

const FIFO_BYTES = 16;

// PC16550D table II. Interrupt enable (8.7).
const IER_RDI = 1 << 0;
const IER_THRI = 1 << 1;
const IER_RLSI = 1 << 2;
const IER_MSI = 1 << 3;
const IER_MASK = IER_RDI | IER_THRI | IER_RLSI | IER_MSI;
// Interrupt identification (8.6).
const IIR_MSI = 0x00;
const IIR_NO_INT = 0x01;
const IIR_THRI = 0x02;
const IIR_RDI = 0x04;
const IIR_RLSI = 0x06;
const IIR_CTI = 0x0c;
const IIR_ID = 0x0f;
const IIR_FIFOS_ENABLED = 0xc0;
// FIFO control (8.5).
const FCR_ENABLE = 1 << 0;
const FCR_RESET_RECEIVE = 1 << 1;
const FCR_RESET_TRANSMIT = 1 << 2;
const FCR_DMA_MODE = 1 << 3;
const FCR_TRIGGER = 0xc0;
const FCR_KEPT = FCR_ENABLE | FCR_DMA_MODE | FCR_TRIGGER;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
// Line control (8.1), modem control (8.8), line status (8.4), modem status (8.9).
const LCR_DLAB = 1 << 7;
const MCR_DTR = 1 << 0;
const MCR_RTS = 1 << 1;
const MCR_OUT1 = 1 << 2;
const MCR_OUT2 = 1 << 3;
const MCR_LOOP = 1 << 4;
const MCR_MASK = 0x1f;
const LSR_DR = 1 << 0;
const LSR_OE = 1 << 1;
const LSR_PE = 1 << 2;
const LSR_FE = 1 << 3;
const LSR_BI = 1 << 4;
const LSR_THRE = 1 << 5;
const LSR_TEMT = 1 << 6;
const LSR_ERRORS = LSR_OE | LSR_PE | LSR_FE | LSR_BI;
const MSR_DELTAS = 0x0f;
const MSR_CTS = 1 << 4;
const MSR_DSR = 1 << 5;
const MSR_RI = 1 << 6;
const MSR_DCD = 1 << 7;

/** QEMU's section and subsections; the names are QEMU's. */
export const SERIAL_STATE = vmstate(
  "serial",
  3,
  {
    divider: u16(12),
    rbr: u8(),
    ier: u8(),
    iir: u8(IIR_NO_INT),
    lcr: u8(),
    mcr: u8(MCR_OUT2),
    lsr: u8(LSR_THRE | LSR_TEMT),
    msr: u8(MSR_DCD | MSR_DSR | MSR_CTS),
    scr: u8(),
    fcr_vmstate: u8(),
    thr_ipending: u32(),
    tsr_retry: u32(),
    thr: u8(),
    tsr: u8(),
    recv_fifo_data: u8Array(FIFO_BYTES),
    recv_fifo_head: u32(),
    recv_fifo_num: u32(),
    xmit_fifo_data: u8Array(FIFO_BYTES),
    xmit_fifo_head: u32(),
    xmit_fifo_num: u32(),
    fifo_timeout_timer: u64(),
    timeout_ipending: u32(),
    poll_msl: u32(),
    modem_status_poll: u64(),
  },
  {
    minimumVersion: 2,
    subsections: [
      {
        name: "serial/thr_ipending",
        version: 1,
        fields: ["thr_ipending"],
        // The receiver assumes that it is pending exactly when IIR says so.
        needed: (s) => (s.ier & IER_THRI) !== 0 && (s.thr_ipending !== 0) !== ((s.iir & IIR_ID) === IIR_THRI),
      },
      { name: "serial/tsr", version: 1, fields: ["tsr_retry", "thr", "tsr"], needed: (s) => s.tsr_retry !== 0 },
      {
        name: "serial/recv_fifo",
        version: 1,
        fields: ["recv_fifo_data", "recv_fifo_head", "recv_fifo_num"],
        needed: (s) => s.recv_fifo_num !== 0,
      },
      {
        name: "serial/xmit_fifo",
        version: 1,
        fields: ["xmit_fifo_data", "xmit_fifo_head", "xmit_fifo_num"],
        needed: (s) => s.xmit_fifo_num !== 0,
      },
      // The next one and the last are loaded and dropped: there is no time-out delay and no modem to poll.
      { name: "serial/fifo_timeout_timer", version: 1, fields: ["fifo_timeout_timer"], needed: () => false },
      {
        name: "serial/timeout_ipending",
        version: 1,
        fields: ["timeout_ipending"],
        needed: (s) => s.timeout_ipending !== 0,
      },
      { name: "serial/poll", version: 1, fields: ["poll_msl", "modem_status_poll"], needed: () => false },
    ],
  },
);

export class Ns16550a implements Device {
  readonly typeName = "serial-mm";
  readonly regions: readonly MmioRegion[];
  readonly migration: readonly MigrationSection[];
  readonly #ports: Ns16550aPorts;
  readonly #bound: BoundState<typeof SERIAL_STATE.fields>;

  /** `place` has room for `SERIAL_STATE.sizeBytes`. The state is taken as it is; the board resets one object of all. */
  constructor(place: StatePlace, ports: Ns16550aPorts) {
    this.#ports = ports;
    this.#bound = bindState(SERIAL_STATE, place, () => this.#afterLoad());
    this.migration = [this.#bound.section];
    const bank = this.#tracedRegisters(ports.trace ?? NO_TRACE);
    this.regions = [
      {
        sizeBytes: 8,
        // A wider access is one access to the register at its offset, zero-extended, as on the virt board of QEMU.
        accessSizes: [1, 2, 4, 8],
        read: (offset) => bank.read(offset),
        write: (offset, _size, value) => bank.write(offset, value & 0xff),
        read64: (offset) => BigInt(bank.read(offset)),
        write64: (offset, value) => bank.write(offset, Number(value & 0xffn)),
      },
    ];
  }

  reset(): void {
    this.#bound.reset();
    this.#update();
  }

  /** How many bytes `receive` takes now: what is missing to the trigger level, then one by one until full. */
  canReceive(): number {
    const s = this.#bound.state;
    // 8.8: in loopback the serial input is disconnected, so the host keeps its bytes.
    if (s.mcr & MCR_LOOP) return 0;
    if (!(s.fcr_vmstate & FCR_ENABLE)) return s.lsr & LSR_DR ? 0 : 1;
    if (s.recv_fifo_num >= FIFO_BYTES) return 0;
    return Math.max(1, this.#triggerLevel() - s.recv_fifo_num);
  }

  /** A byte arrives on the line. Beyond `canReceive()` it is an overrun, which the guest sees in LSR. */
  receive(byte: number): void {
    if (this.#bound.state.mcr & MCR_LOOP) return;
    this.#accept(byte);
  }

  /** The line is held low for longer than a character: a zero byte with the break indicator. */
  receiveBreak(): void {
    const s = this.#bound.state;
    if (s.mcr & MCR_LOOP) return;
    s.lsr |= LSR_BI;
    this.#accept(0);
  }

  /** The port has room again: sends what waits. */
  transmitRoomMade(): void {
    this.#transmit();
  }

  #tracedRegisters({ serial_read: traceRead, serial_write: traceWrite }: Trace): Pick<RegisterBank, "read" | "write"> {
    const bank = this.#registers();
    return {
      read(offset) {
        const value = bank.read(offset);
        traceRead?.(offset, value);
        return value;
      },
      write(offset, value) {
        traceWrite?.(offset, value);
        bank.write(offset, value);
      },
    };
  }

  #registers() {
    const s = this.#bound.state;
    const latched = (): boolean => (s.lcr & LCR_DLAB) !== 0;
    return registerBank({ width: 1 }, [
      [
        0,
        "RBR/THR/DLL",
        {
          read: () => (latched() ? s.divider & 0xff : this.#readRbr()),
          write: (value) => {
            if (latched()) s.divider = (s.divider & 0xff00) | value;
            else this.#writeThr(value);
          },
        },
      ],
      [
        1,
        "IER/DLM",
        {
          read: () => (latched() ? s.divider >> 8 : s.ier),
          write: (value) => {
            if (latched()) s.divider = (s.divider & 0x00ff) | (value << 8);
            else this.#writeIer(value);
          },
        },
      ],
      [2, "IIR/FCR", { read: () => this.#readIir(), write: (value) => this.#writeFcr(value) }],
      [
        3,
        "LCR",
        {
          read: () => s.lcr,
          write: (value) => {
            s.lcr = value;
          },
        },
      ],
      [4, "MCR", { read: () => s.mcr, write: (value) => this.#writeMcr(value) }],
      [5, "LSR", { read: () => this.#readLsr() }],
      [6, "MSR", { read: () => this.#readMsr() }],
      [
        7,
        "SCR",
        {
          read: () => s.scr,
          write: (value) => {
            s.scr = value;
          },
        },
      ],
    ]);
  }

  #readRbr(): number {
    const s = this.#bound.state;
    let byte = s.rbr;
    if (s.fcr_vmstate & FCR_ENABLE) {
      if (s.recv_fifo_num === 0) return 0;
      byte = s.recv_fifo_data[s.recv_fifo_head] ?? 0;
      s.recv_fifo_head = (s.recv_fifo_head + 1) % FIFO_BYTES;
      s.recv_fifo_num -= 1;
    }
    if (s.recv_fifo_num === 0) s.lsr &= ~(LSR_DR | LSR_BI);
    this.#update();
    if (!(s.mcr & MCR_LOOP)) this.#ports.roomMade?.();
    return byte;
  }

  #writeThr(byte: number): void {
    const s = this.#bound.state;
    s.thr = byte;
    if (s.fcr_vmstate & FCR_ENABLE) {
      // A full FIFO loses its oldest byte (as QEMU): the guest wrote without looking at THRE.
      if (s.xmit_fifo_num >= FIFO_BYTES) this.#takeTransmitFifo();
      s.xmit_fifo_data[(s.xmit_fifo_head + s.xmit_fifo_num) % FIFO_BYTES] = byte;
      s.xmit_fifo_num += 1;
    }
    // 8.6, table IV: writing THR resets the THR-empty interrupt; usually it is empty again at the end of this write.
    s.thr_ipending = 0;
    s.lsr &= ~(LSR_THRE | LSR_TEMT);
    this.#update();
    this.#transmit();
  }

  /** Moves bytes from THR or the FIFO through the shift register (TSR) to the port until it is full or all are sent. */
  #transmit(): void {
    const s = this.#bound.state;
    for (;;) {
      if (s.tsr_retry === 0) {
        if (s.lsr & LSR_THRE) {
          s.lsr |= LSR_TEMT;
          break;
        }
        this.#loadTsr();
      }
      s.tsr_retry = this.#send(s.tsr) ? 0 : 1;
      if (s.tsr_retry !== 0) break;
    }
    this.#update();
  }

  /** Fills TSR from a THR or FIFO that is not empty, which raises the THR-empty interrupt when it now is. */
  #loadTsr(): void {
    const s = this.#bound.state;
    s.tsr = s.fcr_vmstate & FCR_ENABLE ? this.#takeTransmitFifo() : s.thr;
    if (s.xmit_fifo_num > 0) return;
    s.lsr |= LSR_THRE;
    s.thr_ipending = 1;
  }

  #takeTransmitFifo(): number {
    const s = this.#bound.state;
    const byte = s.xmit_fifo_data[s.xmit_fifo_head] ?? 0;
    s.xmit_fifo_head = (s.xmit_fifo_head + 1) % FIFO_BYTES;
    s.xmit_fifo_num -= 1;
    return byte;
  }

  /** False: the port has no room. */
  #send(byte: number): boolean {
    if (!(this.#bound.state.mcr & MCR_LOOP)) return this.#ports.out.push(byte) !== false;
    this.#accept(byte);
    return true;
  }

  #accept(byte: number): void {
    const s = this.#bound.state;
    if (s.fcr_vmstate & FCR_ENABLE) {
      // 8.4, bit 1: a full FIFO keeps what it has; the character in the shift register is lost.
      if (s.recv_fifo_num >= FIFO_BYTES) {
        s.lsr |= LSR_OE;
      } else {
        s.recv_fifo_data[(s.recv_fifo_head + s.recv_fifo_num) % FIFO_BYTES] = byte;
        s.recv_fifo_num += 1;
      }
    } else {
      if (s.lsr & LSR_DR) s.lsr |= LSR_OE;
      s.rbr = byte;
    }
    s.lsr |= LSR_DR;
    this.#update();
  }

  #writeIer(value: number): void {
    const s = this.#bound.state;
    const changed = (s.ier ^ value) & IER_MASK;
    s.ier = value & IER_MASK;
    // Enabling the THR-empty interrupt while THR is empty raises it, even if reading IIR had reset it before: drivers
    // start a transmission by this alone.
    if (changed & IER_THRI) s.thr_ipending = s.ier & IER_THRI && s.lsr & LSR_THRE ? 1 : 0;
    this.#update();
  }

  #readIir(): number {
    const s = this.#bound.state;
    const iir = s.iir;
    // 8.6, table IV: reading IIR resets the THR-empty interrupt if it is the one that IIR shows.
    if ((iir & IIR_ID) === IIR_THRI) {
      s.thr_ipending = 0;
      this.#update();
    }
    return iir;
  }

  #writeFcr(value: number): void {
    const s = this.#bound.state;
    // 8.5, bit 0: changing the mode clears both FIFOs; bits 1 and 2 clear themselves.
    const clearAll = ((s.fcr_vmstate ^ value) & FCR_ENABLE) !== 0;
    if (clearAll || value & FCR_RESET_RECEIVE) {
      s.lsr &= ~(LSR_DR | LSR_BI);
      s.recv_fifo_head = 0;
      s.recv_fifo_num = 0;
    }
    if (clearAll || value & FCR_RESET_TRANSMIT) {
      s.lsr |= LSR_THRE;
      s.thr_ipending = 1;
      s.xmit_fifo_head = 0;
      s.xmit_fifo_num = 0;
    }
    s.fcr_vmstate = value & FCR_KEPT;
    this.#update();
    this.#ports.roomMade?.();
  }

  #writeMcr(value: number): void {
    const s = this.#bound.state;
    const left = s.mcr & ~value & MCR_LOOP;
    s.mcr = value & MCR_MASK;
    if (left) this.#ports.roomMade?.();
  }

  #readLsr(): number {
    const s = this.#bound.state;
    const lsr = s.lsr;
    // 8.4: the error bits are reset when the CPU reads LSR.
    if (lsr & LSR_ERRORS) {
      s.lsr &= ~LSR_ERRORS;
      this.#update();
    }
    return lsr;
  }

  #readMsr(): number {
    const s = this.#bound.state;
    // 8.8: in loopback the four modem outputs are the four modem inputs.
    if (s.mcr & MCR_LOOP) {
      return (
        (s.mcr & MCR_DTR ? MSR_DSR : 0) |
        (s.mcr & MCR_RTS ? MSR_CTS : 0) |
        (s.mcr & MCR_OUT1 ? MSR_RI : 0) |
        (s.mcr & MCR_OUT2 ? MSR_DCD : 0)
      );
    }
    const msr = s.msr;
    if (msr & MSR_DELTAS) {
      s.msr &= ~MSR_DELTAS;
      this.#update();
    }
    return msr;
  }

  #triggerLevel(): number {
    return TRIGGER_LEVELS[this.#bound.state.fcr_vmstate >> 6] ?? 1;
  }

  /** Recomputes IIR and the interrupt line. 8.6, table IV: highest priority first. */
  #update(): void {
    const s = this.#bound.state;
    const fifos = (s.fcr_vmstate & FCR_ENABLE) !== 0;
    const belowTrigger = fifos && s.recv_fifo_num < this.#triggerLevel();
    s.timeout_ipending = belowTrigger && s.recv_fifo_num > 0 ? 1 : 0;
    let id = IIR_NO_INT;
    if (s.ier & IER_RLSI && s.lsr & LSR_ERRORS) id = IIR_RLSI;
    else if (s.ier & IER_RDI && s.timeout_ipending) id = IIR_CTI;
    else if (s.ier & IER_RDI && s.lsr & LSR_DR && !belowTrigger) id = IIR_RDI;
    else if (s.ier & IER_THRI && s.thr_ipending) id = IIR_THRI;
    else if (s.ier & IER_MSI && s.msr & MSR_DELTAS) id = IIR_MSI;
    s.iir = id | (fifos ? IIR_FIFOS_ENABLED : 0);
    this.#ports.irq.set(id !== IIR_NO_INT);
  }

  #afterLoad(): void {
    const s = this.#bound.state;
    if ((s.iir & IIR_ID) === IIR_THRI) s.thr_ipending = 1;
    s.recv_fifo_head %= FIFO_BYTES;
    s.recv_fifo_num = Math.min(s.recv_fifo_num, FIFO_BYTES);
    s.xmit_fifo_head %= FIFO_BYTES;
    s.xmit_fifo_num = s.fcr_vmstate & FCR_ENABLE ? Math.min(s.xmit_fifo_num, FIFO_BYTES) : 0;
    if (s.xmit_fifo_num > 0) s.lsr &= ~LSR_THRE;
    else if (s.fcr_vmstate & FCR_ENABLE) s.lsr |= LSR_THRE;
    // What the source could not send yet goes out here.
    this.#transmit();
  }
}
