/**
 * What the emulator asks of its host. `platform/` implements these; nobody else knows Node or the browser.
 */

/** Monotonic time. Thread: any; all threads of a machine see the same clock. */
export type Clock = {
  /** Nanoseconds since an arbitrary start; never goes back; exact to about a microsecond. */
  nowNs(): number;
  /** Milliseconds since 1970-01-01 UTC. */
  wallMs(): number;
};

/** Timers of the machine thread. */
export type Timers = {
  /** Calls `callback` once, at or after `atNs` of the clock. Returns a function that cancels it. */
  at(atNs: number, callback: () => void): () => void;
};

/** Takes bytes; never blocks, never throws: what cannot be written is buffered or dropped by the implementation. */
export type ByteSink = { write(bytes: Uint8Array): void };

/** A descriptor of this process that a peer has passed. Whoever has it closes it, or hands its number to a channel. */
export type PassedDescriptor = { readonly fd: number; close(): void };

/**
 * One end of a character device (`-chardev`). Thread: machine.
 * `onInput` is called with at most `canReceive()` bytes at a time, and `poke()` says that room was made.
 */
export type CharBackend = ByteSink & {
  readonly name: string;
  /** What and where it is, as QEMU writes it: "pty:/dev/pts/3", "disconnected:unix:/path,server=on". */
  readonly filename?: string;
  attach(frontend: CharFrontend): void;
  /** The frontend has room again. */
  poke(): void;
  close(): void;
  /** Bytes that were written and that the other side has not taken yet; absent where none wait. */
  readonly unsentBytes?: number;
  /** Ends the present connection; a socket that listens goes on listening. */
  hangUp?(): void;
  /** Why its peers can pass no descriptors, though the kind of device could; for the user. */
  readonly whyNoDescriptors?: string | undefined;
};
export type CharFrontend = {
  /** Bytes that can be taken now. */
  canReceive(): number;
  receive(bytes: Uint8Array): void;
  /** Takes descriptors that came with the first of the bytes that are received next. Absent: none are asked for. */
  passed?(descriptors: readonly PassedDescriptor[]): void;
  event(event: "opened" | "closed" | "break"): void;
  /** Whether the keyboard of a shared terminal is this frontend's; not called where nothing is shared. */
  focus?(isOurs: boolean): void;
};

/** A stream of bytes. Thread: the one that opened it. */
export type ByteChannel = {
  /** It goes both ways: a connection, not a file or a pipe. */
  readonly isDuplex: boolean;
  /** The next bytes, which are the caller's; undefined at the end. Rejects with the host's error. */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves when `bytes` may be reused. Rejects when the other end is gone. */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when everything written has gone out; nothing is read or written then. */
  close(): Promise<void>;
  /** Closes at once: what waits to be read or written is rejected or ends. */
  abort(): void;
  /** The host's descriptor of the connection; undefined when it was closed. Absent where there is none. */
  descriptor?(): number | undefined;
  /** Fills a part of `into`, which is not empty, and resolves with its length; 0 at the end. Better than `read` where it is there. */
  readInto?(into: Uint8Array): Promise<number>;
};
/** Whether a thread runs before others, as soon as it has something to do. Thread: the one that it was opened for. */
export type Urgency = { raise(): void; lower(): void };
/** Threads that sleep on a word of shared memory, an Int32Array of its own each, and others that wake them. */
export type Futex = {
  /** Sleeps while the word is `value`, a while at most: who is not done yet sleeps again. */
  wait(word: Int32Array, value: number): void;
  /** One of those that sleep on it. */
  wake(word: Int32Array): void;
};
/** Waits for a peer. */
export type ChannelListener = {
  /** As the address that was asked for, with the port that the host chose. */
  readonly address: ChannelAddress;
  /** The next connection; one at a time is waited for. */
  accept(): Promise<ByteChannel>;
  /** Connections that were not accepted are closed. */
  close(): void;
};
/** Where a stream goes to or comes from. */
export type ChannelAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "exec"; readonly command: string }
  /** The channel closes it, also when it cannot be opened. */
  | { readonly kind: "fd"; readonly fd: number }
  | { readonly kind: "file"; readonly path: string; readonly offset: number };
/** Opens streams. Both reject with an error that says what failed. */
export type Channels = {
  connect(address: ChannelAddress): Promise<ByteChannel>;
  /** Of sockets, `connections` may come, 1 by default; those after them are refused. */
  listen(address: ChannelAddress, connections?: number): Promise<ChannelListener>;
  /** Two ends of a connection within the process; undefined where that cannot be made. */
  pair?(): Promise<readonly [ByteChannel, ByteChannel] | undefined>;
  /** Resolves when everything else that waits on this thread has had its turn. */
  turn(): Promise<void>;
};

/** Random access storage of a fixed size. Thread: machine. Offsets and lengths are in bytes. */
export type Disk = {
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** What it takes of the host's storage now; undefined where that is not known. */
  allocatedBytes?(): number | undefined;
  /** Rejects with the host's error; a range past the end is the caller's bug. */
  read(offset: number, into: Uint8Array): Promise<void>;
  write(offset: number, from: Uint8Array): Promise<void>;
  /** Resolves when everything written before is on stable storage. */
  flush(): Promise<void>;
  /** The range's content may be dropped; it reads as zeros or as before. */
  discard(offset: number, lengthBytes: number): Promise<void>;
  writeZeroes(offset: number, lengthBytes: number): Promise<void>;
  close(): Promise<void>;
};

/** Cryptographic randomness. */
export type Random = { fill(into: Uint8Array): void };

/** Edits lines of a person at a terminal: cursor keys, history, completion. Thread: machine. */
export type LineEditor = {
  receive(bytes: Uint8Array): void;
  /** Shows the prompt and what is typed behind it. */
  prompt(): void;
  /** Forgets the line that is being typed. */
  clear(): void;
  close(): void;
};
export type LineEditorOptions = {
  readonly prompt: string;
  /** What is echoed and drawn goes there. */
  readonly output: ByteSink;
  line(text: string): void;
  /** Words that could stand where the line ends, and the part of the line that they replace. */
  complete(line: string): { readonly words: readonly string[]; readonly replaces: string };
};
export type LineEditors = (options: LineEditorOptions) => LineEditor;
